from pathlib import Path

from tests.guards.runs import ERRORED, run

BROKEN = """
import pytest

@pytest.fixture
def broken():
    raise LookupError

def test_with_it(broken): pass
"""


class TestRun:
    def test_is_not_red_when_only_a_fixture_failed(self, tmp_path: Path):
        (tmp_path / "test_something.py").write_text(BROKEN)

        outcome, said = run([str(tmp_path / "test_something.py")], tmp_path)

        assert (outcome, "1 error" in said) == (ERRORED, True)
