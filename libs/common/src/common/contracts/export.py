"""Writes what is made from the payloads: `python -m common.contracts.export [--check]`.

JSON Schema and example of every event type and version, an AsyncAPI document for each service, and the
catalogue that people read.
"""

import json
import sys
from pathlib import Path

from common.contracts.asyncapi import document
from common.contracts.catalogue import PAYLOADS
from common.contracts.compatibility import breaks
from common.contracts.envelope import stem
from common.contracts.examples import BY_PAYLOAD
from common.contracts.json_schemas import schema_of
from common.contracts.page import page
from common.contracts.topics import SERVICES

HERE = Path(__file__).parent


def generated() -> dict[str, str]:
    """Paths and contents, as they should be committed."""
    files = {"README.md": page()}
    for payload in PAYLOADS:
        files[f"schemas/{stem(payload)}.schema.json"] = _text(schema_of(payload))
        files[f"schemas/{stem(payload)}.example.json"] = _text(BY_PAYLOAD[payload].model_dump(mode="json"))
    for service in SERVICES:
        files[f"asyncapi/{service}.json"] = _text(document(service))
    return files


def differences(folder: Path = HERE) -> list[str]:
    """Paths that are missing or not what the models say."""
    return [name for name, text in generated().items() if _read(folder / name) != text]


def incompatible(folder: Path = HERE) -> list[str]:
    """A schema only grows, so one that fits the committed one fits all that were committed before it."""
    found: list[str] = []
    for payload in PAYLOADS:
        committed = _read(folder / f"schemas/{stem(payload)}.schema.json")
        if committed is not None:
            found += [
                f"{stem(payload)} {fault}" for fault in breaks(json.loads(committed), schema_of(payload))
            ]
    return found + [f"{name} is gone: messages of it are still read" for name in _abandoned(folder)]


def write(folder: Path = HERE) -> list[str]:
    """Brings the folder up to date and returns what changed; refuses what readers would not survive."""
    if faults := incompatible(folder):
        raise SystemExit("\n".join(["An event type needs a new version for this:", *faults]))
    changed = differences(folder)
    contents = generated()
    for name in changed:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(contents[name], encoding="utf-8")
    return changed


def main(arguments: list[str]) -> int:
    if "--check" not in arguments:
        sys.stdout.writelines(f"wrote {name}\n" for name in write())
        return 0
    faults = incompatible() + [f"{name} is not what the models say" for name in differences()]
    sys.stdout.writelines(f"{fault}\n" for fault in faults)
    return 1 if faults else 0


def _abandoned(folder: Path) -> list[str]:
    known = {stem(payload) for payload in PAYLOADS}
    found = {path.name.removesuffix(".schema.json") for path in (folder / "schemas").glob("*.schema.json")}
    return sorted(found - known)


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


def _text(document: object) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
