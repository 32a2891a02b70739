"""Each command that a page tells somebody to run is there, and says what it takes."""

import re
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import typer

from quartet_cli.main import app
from tests.support.repository import files

_QUARTET = re.compile(r"\./quartet ([a-z]+)(?: ([a-z]+))?((?: --[a-z-]+)*)")
_MODULE = re.compile(r"python -m ([a-z_.]+)(?: (?!up|down|var)([a-z]+))?")

PAGES = "\n".join(path.read_text() for path in files(".md"))
QUARTET = sorted(set(_QUARTET.findall(PAGES)))
MODULES = sorted(set(_MODULE.findall(PAGES)))
WITH_A_WORD = [(module, word) for module, word in MODULES if word]


def command_of(verb: str, word: str) -> Any:
    """The word is the verb's own command, or what the verb is about."""
    found = typer.main.get_command(app).commands[verb]
    return getattr(found, "commands", {}).get(word, found)


class TestACommandOfQuartet:
    @pytest.mark.parametrize(("verb", "word", "options"), QUARTET)
    def test_is_there_with_its_options(self, verb: str, word: str, options: str):
        command = command_of(verb, word)

        known = {option for parameter in command.params for option in parameter.opts}
        assert set(options.split()) <= known


class TestAModule:
    @pytest.mark.parametrize("module", sorted({module for module, _ in MODULES}))
    def test_can_be_run(self, module: str):
        spec = find_spec(f"{module}.__main__") if _is_package(module) else find_spec(module)

        assert spec is not None
        assert spec.origin is not None
        assert "__main__" in spec.origin or 'if __name__ == "__main__":' in Path(spec.origin).read_text()

    @pytest.mark.parametrize(("module", "word"), WITH_A_WORD)
    def test_says_what_a_word_takes(self, monkeypatch, capsys, module: str, word: str):
        monkeypatch.setattr(sys, "argv", [module, word, "--help"])

        with pytest.raises(SystemExit) as ended:
            import_module(module).main()

        assert ended.value.code == 0
        assert word in capsys.readouterr().out


def _is_package(module: str) -> bool:
    spec = find_spec(module)
    return spec is not None and spec.submodule_search_locations is not None
