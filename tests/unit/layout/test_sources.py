import ast
import re
import tomllib
from pathlib import Path

from tests.support.repository import ROOT, files, name_of

PYTHON = files(".py")
TESTS = tuple(path for path in PYTHON if name_of(path).startswith("tests/"))

INDEX_HOSTS = re.compile(
    # written in pieces, else this file would name them
    "|".join(["py" + r"pi\.org", "python" + "hosted", r"repo1?\." + "maven", "proxy" + r"\.golang"])
)


def longest_function(tree: ast.Module) -> int:
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    return max(((n.end_lineno or 0) - n.lineno for n in functions), default=0)


def calls(path: Path) -> set[str]:
    return {ast.unparse(n.func) for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call)}


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {str(node.module)}
    return found


class TestFiles:
    def test_are_short_enough_to_be_read(self):
        assert {name_of(p): n for p in PYTHON if (n := len(p.read_text().splitlines())) > 400} == {}

    def test_hold_functions_that_fit_on_a_screen(self):
        texts = {name_of(path): path.read_text() for path in PYTHON}
        long_ones = {name: text for name, text in texts.items() if text.count("\n") >= 70}
        lengths = {name: longest_function(ast.parse(text)) for name, text in long_ones.items()}

        assert {name: length for name, length in lengths.items() if length >= 70} == {}

    def test_name_no_path_of_this_machine(self):
        ours = re.compile("|".join(re.escape(str(path)) + r"[/\"'\s]" for path in (ROOT, Path.home())))

        assert [name_of(path) for path in _texts() if ours.search(path.read_text())] == []

    def test_name_no_package_index(self):
        assert [name_of(path) for path in _texts() if INDEX_HOSTS.search(path.read_text())] == []


class TestTests:
    def test_wait_for_facts_and_not_for_a_while(self):
        sleepers = {"asyncio.sleep", "time.sleep", "sleep", "anyio.sleep"}
        # the time of a simulation is its own: nobody waits for it
        on_a_real_clock = [path for path in TESTS if not name_of(path).startswith("tests/simulation/")]

        suspects = [path for path in on_a_real_clock if "sleep" in path.read_text()]
        assert [name_of(path) for path in suspects if calls(path) & sleepers] == []

    def test_use_the_real_storage(self):
        suspects = [path for path in TESTS if "mock" in path.read_text()]
        assert [name_of(path) for path in suspects if "unittest.mock" in imports(path)] == []

    def test_import_no_conftest(self):
        suspects = [path for path in TESTS if "conftest" in path.read_text()]
        imported = {
            name_of(path): {part for name in imports(path) for part in name.split(".")} for path in suspects
        }
        assert [name for name, parts in imported.items() if "conftest" in parts] == []


class TestLinter:
    RUFF = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]

    def test_checks_everything(self):
        assert self.RUFF["select"] == ["ALL"]

    def test_exceptions_are_argued(self):
        lines = (ROOT / "pyproject.toml").read_text().splitlines()
        start = next(i for i, line in enumerate(lines) if line.startswith("ignore = ["))
        end = lines.index("]", start)
        unargued = [line for line in lines[start + 1 : end] if "#" not in line]

        # a family of rules is argued once, at its first
        assert [rule for line in unargued for rule in re.findall(r'"([A-Z]+)', line)] == [
            "RUF",
            "RUF",
            "TC",
            "TC",
        ]

    def test_types_are_strict(self):
        pyright = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pyright"]

        assert pyright["typeCheckingMode"] == "strict"


def _texts() -> list[Path]:
    binary = {".png", ".jpg", ".woff2", ".ico", ".jar", ".pyc", ".gz"}
    return [path for path in files() if path.suffix not in binary]
