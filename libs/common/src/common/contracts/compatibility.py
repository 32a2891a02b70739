"""Which changes an event's schema may make within its version: an added optional field, and nothing else.

Producers and consumers are deployed one after the other and topics keep old messages, so that every reader
meets both older and newer messages. Anything but an added optional field breaks one of the two directions.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from common.contracts.json_schemas import JsonSchema, resolved

_ANNOTATIONS = frozenset({"title", "description", "default", "examples", "$schema", "$id", "$defs"})


def breaks(committed: JsonSchema, proposed: JsonSchema) -> list[str]:
    """What a reader of the other schema would stumble over, one sentence each; empty when compatible."""
    return list(_compare(resolved(committed, committed), resolved(proposed, proposed), ""))


def _compare(old: Any, new: Any, where: str) -> Iterator[str]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        yield from _compare_properties(old, new, where)
        yield from _compare_required(old, new, where)
        for keyword in sorted((old.keys() | new.keys()) - _ANNOTATIONS - {"properties", "required"}):
            yield from _compare(old.get(keyword), new.get(keyword), where)
    elif _is_schemas(old) and _is_schemas(new) and len(old) == len(new):
        for before, after in zip(old, new, strict=True):
            yield from _compare(before, after, where)
    elif old != new:
        yield f"{where or '/'}: was {json.dumps(old)} and would be {json.dumps(new)}"


def _is_schemas(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, Mapping) for item in value)


def _compare_properties(old: JsonSchema, new: JsonSchema, where: str) -> Iterator[str]:
    before, after = old.get("properties", {}), new.get("properties", {})
    for name in sorted(before):
        if name in after:
            yield from _compare(before[name], after[name], f"{where}/{name}")
        else:
            yield f"{where}/{name}: was removed"


def _compare_required(old: JsonSchema, new: JsonSchema, where: str) -> Iterator[str]:
    before, after = set(old.get("required", ())), set(new.get("required", ()))
    for name in sorted(after - before):
        yield f"{where}/{name}: would be required, older messages may lack it"
    for name in sorted((before - after) & set(new.get("properties", {}))):
        yield f"{where}/{name}: would be optional, older readers need it"
