"""Writes JSON Schema and example of every event type: `python -m common.contracts.export [--check]`."""

import json
import sys
from pathlib import Path
from typing import Any

from common.contracts.catalogue import PAYLOADS
from common.contracts.compatibility import breaks
from common.contracts.envelope import Payload
from common.contracts.examples import BY_PAYLOAD

SCHEMAS = Path(__file__).parent / "schemas"

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def stem(payload: type[Payload]) -> str:
    return f"{payload.event_type}.v{payload.event_version}"


def schema_of(payload: type[Payload]) -> dict[str, Any]:
    """Open, unlike the model: a reader skips fields that it does not know, else none could ever be added."""
    schema = payload.model_json_schema()
    for part in (schema, *schema.get("$defs", {}).values()):
        part.pop("additionalProperties", None)
    return {"$schema": DIALECT, "$id": f"urn:quartet:schema:{stem(payload)}", **schema}


def generated() -> dict[str, str]:
    """File names and contents, as they should be committed."""
    files: dict[str, str] = {}
    for payload in PAYLOADS:
        files[f"{stem(payload)}.schema.json"] = _text(schema_of(payload))
        files[f"{stem(payload)}.example.json"] = _text(BY_PAYLOAD[payload].model_dump(mode="json"))
    return files


def differences(folder: Path = SCHEMAS) -> list[str]:
    """Names of files that are missing or not what the models say."""
    return [name for name, text in generated().items() if _read(folder / name) != text]


def incompatible(folder: Path = SCHEMAS) -> list[str]:
    found: list[str] = []
    for payload in PAYLOADS:
        committed = _read(folder / f"{stem(payload)}.schema.json")
        if committed is not None:
            found += [
                f"{stem(payload)} {fault}" for fault in breaks(json.loads(committed), schema_of(payload))
            ]
    return found


def write(folder: Path = SCHEMAS) -> list[str]:
    """Brings the folder up to date and returns what changed; refuses what readers would not survive."""
    if faults := incompatible(folder):
        raise SystemExit("\n".join(["An event type needs a new version for this:", *faults]))
    changed = differences(folder)
    contents = generated()
    folder.mkdir(exist_ok=True)
    for name in changed:
        (folder / name).write_text(contents[name], encoding="utf-8")
    return changed


def main(arguments: list[str]) -> int:
    if "--check" not in arguments:
        sys.stdout.writelines(f"wrote {name}\n" for name in write())
        return 0
    faults = incompatible() + [f"{name} is not what the models say" for name in differences()]
    sys.stdout.writelines(f"{fault}\n" for fault in faults)
    return 1 if faults else 0


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


def _text(document: object) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
