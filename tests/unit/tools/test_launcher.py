import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.repository import ROOT

LAUNCHER = ROOT / "quartet"
EMPTY_COMMAND = """#!/bin/sh
echo "became the command with $2 $3 in $(pwd)"
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy with a stand-in for the interpreter of its environment, so that nothing is downloaded."""
    shutil.copy(LAUNCHER, tmp_path / "quartet")
    shutil.copytree(ROOT / "requirements", tmp_path / "requirements")
    (tmp_path / "requirements" / "editable.in").write_text("-e ./tools\n")
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "pyproject.toml").touch()
    python = tmp_path / "var" / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(EMPTY_COMMAND)
    python.chmod(0o755)
    stamp = launch(tmp_path, code="print(json.dumps(launcher['wanted_stamp']()))").stdout
    (tmp_path / "var" / "venv" / "quartet-stamp.json").write_text(stamp)
    return tmp_path


def launch(
    checkout: Path, *arguments: str, code: str = "launcher['main']()"
) -> "subprocess.CompletedProcess[str]":
    """As if started by its name, but with steps of the test's choice."""
    program = f"import json, runpy, sys; launcher = runpy.run_path({str(checkout / 'quartet')!r}); {code}"
    return subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False, cwd="/"
    )


def becomes_the_command(checkout: Path) -> bool:
    """With an environment that is right nothing is made; else it begins to, which the test forbids."""
    forbid = "launcher['main'].__globals__['make_environment'] = lambda: sys.exit('makes the environment')"
    done = launch(checkout, code=f"{forbid}; launcher['main']()")
    assert "became the command" in done.stdout or "makes the environment" in done.stderr
    return "became the command" in done.stdout


class TestLauncher:
    def test_becomes_the_command_where_it_was_started(self, checkout: Path):
        done = launch(checkout, "status")

        assert done.stdout == "became the command with quartet_cli status in /\n"

    def test_makes_the_environment_anew_when_requirements_have_changed(self, checkout: Path):
        assert becomes_the_command(checkout)

        with (checkout / "requirements" / "lock.txt").open("a") as lock:
            lock.write("# one more\n")

        assert not becomes_the_command(checkout)

    def test_makes_the_environment_anew_when_a_package_describes_itself_otherwise(self, checkout: Path):
        (checkout / "tools" / "pyproject.toml").write_text("[project]\n")

        assert not becomes_the_command(checkout)

    def test_makes_the_environment_anew_in_a_checkout_that_was_moved(self, checkout: Path):
        moved = checkout.rename(checkout.with_name("elsewhere"))

        assert not becomes_the_command(moved)

    def test_keeps_an_environment_of_this_place_and_replaces_that_of_another(self, checkout: Path):
        pip = checkout / "var" / "venv" / "bin" / "pip"
        answers = []
        for path in (f"{checkout}/var/venv/bin/python", "/elsewhere/var/venv/bin/python"):
            pip.write_text(f"#!{path}\n")
            answers.append(launch(checkout, code="print(launcher['made_here']())").stdout)

        assert answers == ["True\n", "False\n"]

    def test_tells_an_old_python_what_it_needs(self, checkout: Path):
        old = "launcher['main'].__globals__.update(OLDEST=(9, 1), KNOWN=('python9.1',))"

        done = launch(checkout, code=f"{old}; launcher['main']()")

        assert done.returncode == 1
        assert "needs Python 9.1 or newer" in done.stderr

    def test_is_readable_for_pythons_that_are_too_old(self):
        ast.parse(LAUNCHER.read_text(), feature_version=(3, 6))

    def test_needs_nothing_but_the_standard_library(self):
        tree = ast.parse(LAUNCHER.read_text())
        imported = {
            name.name if isinstance(node, ast.Import) else node.module
            for node in ast.walk(tree)
            if isinstance(node, ast.Import | ast.ImportFrom)
            for name in node.names
        }

        assert imported <= sys.stdlib_module_names

    def test_can_be_started_by_its_name(self):
        assert os.access(LAUNCHER, os.X_OK)
        assert os.access(ROOT / ".ci" / "run", os.X_OK)


class TestPipeline:
    def test_runs_the_tests_as_anybody_does_and_nothing_else(self):
        *_, last = (ROOT / ".ci" / "run").read_text().splitlines()

        assert last == "exec ./quartet test"


class TestLock:
    @pytest.mark.parametrize("name", ["lock.txt", "bootstrap.txt"])
    def test_pins_everything_with_hashes_and_names_no_place(self, name: str):
        text = (ROOT / "requirements" / name).read_text()
        pins = [line for line in text.splitlines() if not line.startswith(" ")]

        assert all(re.match(r"^[A-Za-z0-9._-]+(\[[a-z,-]+\])?==\S+ .*\\$", pin) for pin in pins)
        assert text.count("--hash=sha256:") >= len(pins)
        assert "://" not in text
        assert "--index-url" not in text

    def test_leaves_out_the_projects_own_packages(self):
        assert not re.search(r"^quartet-", (ROOT / "requirements" / "lock.txt").read_text(), re.MULTILINE)
