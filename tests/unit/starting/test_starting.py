import ast
import subprocess
import sys

import pytest

from tests.support.repository import ROOT

PROGRAMS = sorted(
    str(path.relative_to(ROOT))
    for path in ROOT.glob("services/*/src/*/*.py")
    if '__name__ == "__main__"' in path.read_text()
)
HELD_BACK = """
import gc
import sys

from common.starting import go_on, hold_back

hold_back()
import structlog
import redis.asyncio
import opentelemetry.sdk.resources

print(*(name for name in ("rich", "pygments", "psutil") if sys.modules[name]), gc.isenabled())
structlog.get_logger().info("said")
go_on()
print(gc.isenabled(), gc.get_freeze_count() > 10_000)
"""


class TestAProgram:
    @pytest.mark.parametrize("program", PROGRAMS)
    def test_holds_back_before_it_imports_anything_else(self, program):
        said = [one for one in ast.parse((ROOT / program).read_text()).body if not isinstance(one, ast.Expr)]
        assert ast.unparse(said[0]) == (
            "if __name__ == '__main__':\n    from common.starting import hold_back\n    hold_back()"
        )

    def test_takes_along_nothing_that_it_does_without_and_looks_for_garbage_once_all_is_imported(self):
        ended = subprocess.run(
            (sys.executable, "-c", HELD_BACK), capture_output=True, text=True, check=True, cwd=ROOT
        )
        first, said, last = ended.stdout.splitlines()
        assert (first, last) == ("False", "True True")
        assert "said" in said


class TestWhoeverImportsTheSameModules:
    def test_is_left_as_he_is(self):
        importing = (
            "import gc, sys; import common.starting; print(gc.isenabled(), sys.modules.get('rich', 0))"
        )
        ended = subprocess.run(
            (sys.executable, "-c", importing), capture_output=True, text=True, check=True, cwd=ROOT
        )
        assert ended.stdout == "True 0\n"
