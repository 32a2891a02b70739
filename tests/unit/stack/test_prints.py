from pathlib import Path

import pytest

from quartet_cli.stack.prints import fingerprint


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "code.py").write_text("ONE = 1\n")
    return tmp_path


class TestFingerprint:
    def test_is_another_one_when_a_source_changes(self, sources: Path):
        before = fingerprint(sources=[sources])

        (sources / "package" / "code.py").write_text("ONE = 2\n")

        assert fingerprint(sources=[sources]) != before

    @pytest.mark.parametrize("name", ["code.cpython-311.pyc", "code.cpython-311.pyc.139912"])
    def test_counts_no_bytecode_however_it_is_called_while_it_is_written(self, sources: Path, name: str):
        before = fingerprint(sources=[sources])

        (sources / "package" / "__pycache__").mkdir()
        (sources / "package" / "__pycache__" / name).write_bytes(b"compiled")

        assert fingerprint(sources=[sources]) == before
