"""Finds SQL that leaves something behind on a server connection, which a pooler hands to somebody else."""

import ast
import re
from collections.abc import Iterator

_STATEMENT = r"(?:\A|;)\s*"
_PATTERNS = {
    "SET without LOCAL": (
        rf"{_STATEMENT}SET\s+(?:SESSION\s+)?(?:ROLE\b|SESSION\b|AUTHORIZATION\b|TIME\s+ZONE\b"
        r"|\w+(?:\.\w+)?\s*=|\w+[._]\w+\s+TO\b)"
    ),
    "session advisory lock": r"\bpg_(?:try_)?advisory_lock(?:_shared)?\s*\(",
    "set_config for the session": r"\bset_config\s*\([^)]*,\s*false\s*\)",
    "LISTEN": rf"{_STATEMENT}(?:UN)?LISTEN\s+[\w\"*]+\s*(?:;|\Z)",
    "NOTIFY": rf"{_STATEMENT}NOTIFY\s+[\w\"]+\s*(?:;|,|\Z)|\bpg_notify\s*\(",
    "temporary table": r"\bCREATE\s+(?:LOCAL\s+|GLOBAL\s+)?TEMP(?:ORARY)?\b(?!.*\bON\s+COMMIT\s+DROP\b)",
    "named prepared statement": rf"{_STATEMENT}PREPARE\s+\w+(?:\s*\([^)]*\))?\s+AS\b",
    "cursor WITH HOLD": r"\bWITH\s+HOLD\b",
}
_COMPILED = {name: re.compile(pattern, re.IGNORECASE | re.DOTALL) for name, pattern in _PATTERNS.items()}


def session_state(sql: str) -> list[str]:
    return [name for name, pattern in _COMPILED.items() if pattern.search(sql)]


def texts_of(source: str) -> Iterator[tuple[int, str]]:
    """Line and value of each string of a Python module, f-strings with `x` for what is put in."""
    tree = ast.parse(source)
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    pieces = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    hidden = docstrings | pieces
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield node.lineno, "".join(_flat(node))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in hidden:
            yield node.lineno, node.value


def _flat(node: ast.JoinedStr) -> list[str]:
    return [str(part.value) if isinstance(part, ast.Constant) else "x" for part in node.values]
