"""Words and passwords that guessers try first; the list and its sources lie in `common_passwords/`."""

import gzip
from functools import cache
from importlib.resources import files


class SortedLines:
    """Looked through by halving, in the bytes of the file: a set of them takes ten times the memory."""

    def __init__(self, lines: bytes) -> None:
        self._lines = lines

    def __contains__(self, text: str) -> bool:
        wanted = text.encode(errors="replace")
        low, high = 0, len(self._lines)
        while low < high:
            begin = self._lines.rfind(b"\n", low, (low + high) // 2) + 1 or low
            end = self._lines.index(b"\n", begin)
            line = self._lines[begin:end]
            if line == wanted:
                return True
            if line < wanted:
                low = end + 1
            else:
                high = begin
        return False


@cache
def common_passwords() -> SortedLines:
    packed = files("auth_service").joinpath("common_passwords", "list.txt.gz").read_bytes()
    return SortedLines(gzip.decompress(packed))
