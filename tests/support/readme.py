"""The code of a README, by the heading that it stands under."""

import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

_HEADING = re.compile(r"^## (?P<heading>.+)$", re.MULTILINE)
_BLOCK = "^```{language}\n(?P<code>.*?)^```$"


def blocks(page: Path, language: str = "python") -> dict[str, list[str]]:
    pattern = re.compile(_BLOCK.format(language=language), re.MULTILINE | re.DOTALL)
    _, *parts = _HEADING.split(page.read_text())
    found = dict(zip(parts[::2], parts[1::2], strict=True))
    return {
        heading: [block["code"] for block in pattern.finditer(text)]
        for heading, text in found.items()
        if pattern.search(text)
    }


def run(code: str, page: Path) -> dict[str, Any]:
    """What the code defines, run as a module of its own."""
    module = ModuleType(f"readme_{abs(hash(code))}")
    sys.modules[module.__name__] = module  # where models look for the types of their fields
    exec(compile(code, str(page), "exec"), vars(module))
    return vars(module)
