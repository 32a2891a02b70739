import ast
import re
from functools import cache

import pytest

from tests.support.repository import ROOT

_LINE = re.compile(r"^\| (?P<row>[A-Z]-\d[\dA-Z]) \| (?P<promise>[^|]+) \| (?P<tests>[^|]+) \|$")


def _lines() -> list[str]:
    page = (ROOT / "docs/promises.md").read_text()
    return [line for line in page.splitlines() if line.startswith("|")][2:]


def _named_tests() -> list[str]:
    return [name.strip() for line in _lines() for name in line.strip("| ").split("|")[-1].split("<br>")]


@cache
def _tests_of(path: str) -> frozenset[str]:
    """The file itself, its classes, its tests, and the tests of its classes."""
    found = {""}
    for node in ast.parse((ROOT / path).read_text()).body:
        match node:
            case ast.ClassDef():
                found.add(node.name)
                found |= {f"{node.name}::{child.name}" for child in node.body if _is_function(child)}
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                found.add(node.name)
            case _:
                pass
    return frozenset(found)


def _is_function(node: ast.stmt) -> bool:
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)


class TestPromises:
    @pytest.mark.parametrize("line", _lines())
    def test_have_a_row_a_sentence_and_a_test(self, line):
        assert _LINE.match(line), line

    @pytest.mark.parametrize("name", _named_tests())
    def test_name_tests_that_exist(self, name):
        path, _, test = name.partition("::")

        assert path.startswith("tests/")
        assert (ROOT / path).is_file()
        assert test in _tests_of(path)

    def test_are_sorted_by_row(self):
        rows = [line.split("|")[1].strip() for line in _lines()]

        assert rows == sorted(rows)
