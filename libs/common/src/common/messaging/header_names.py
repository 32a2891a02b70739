"""Names of headers that are no text: Kafka takes any bytes, its client reads UTF-8 and nothing behind them.

The client raises in the middle of a batch then, at every attempt: the partition would stand still for ever.
Such a batch is read once more, with the bytes kept as surrogates (`surrogateescape`).
"""

from collections.abc import Iterator
from typing import Any

from aiokafka.consumer import fetcher
from aiokafka.record import default_records, memory_records


def tolerate_any_header_name() -> None:
    """Of all consumers of this process; reading twice changes nothing."""
    fetcher.MemoryRecords = _Records


# The client's own classes, final and private: the only places that see a whole batch and the bytes of a name.
_MemoryRecords: Any = memory_records._MemoryRecordsPy  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - see above
_RecordBatch: Any = default_records._DefaultRecordBatchPy  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - see above


class _Records(_MemoryRecords):
    def next_batch(self, *arguments: Any, **named: Any) -> Any:
        whole = self._next_slice
        batch = super().next_batch(*arguments, **named)
        return batch if batch is None or whole is None else _Batch(batch, whole)


class _Batch:
    def __init__(self, batch: Any, whole: memoryview) -> None:
        self._batch = batch
        self._whole = whole

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __iter__(self) -> Iterator[Any]:
        read = 0
        try:
            for record in self._batch:
                read += 1
                yield record
        except UnicodeDecodeError:
            for number, record in enumerate(_TolerantBatch(_Bytes(self._whole))):
                if number >= read:
                    yield record

    def __next__(self) -> Any:
        """The client asks for the first record of a control batch so."""
        return next(self._batch)


class _TolerantBatch(_RecordBatch):
    def _maybe_uncompress(self) -> None:
        super()._maybe_uncompress()
        self._buffer = _Bytes(self._buffer)


class _Bytes(bytearray):
    def __getitem__(self, place: Any) -> Any:
        part = super().__getitem__(place)
        return _Name(part) if isinstance(place, slice) else part


class _Name(bytes):
    __slots__ = ()

    def decode(self, encoding: str = "utf-8", errors: str = "surrogateescape") -> str:
        return super().decode(encoding, errors)
