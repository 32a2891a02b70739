"""Whole examples of bodies, put together from those of their fields."""

from collections.abc import Mapping
from typing import Any, Final

Schema = Mapping[str, Any]

_OF_FORMATS: Final = {
    "uuid": "01a1f2c4-7d00-7000-8000-3b9e5c0a1f21",
    "date-time": "2026-11-22T10:00:00.123Z",
    "date": "2026-11-22",
}


class NoExampleError(LookupError):
    """A field, by its pointer, has neither an example nor a default."""


def example_of(schema: Schema, components: Schema, *, sent: bool, pointer: str = "") -> Any:
    """`sent`: of a request, which holds nothing that is read-only."""
    may_be_null = {"type": "null"} in schema.get("anyOf", ())
    schema = _resolved(schema, components)
    listed = [*schema.get("examples", ()), *(schema[name] for name in ("const", "default") if name in schema)]
    listed += schema.get("enum", ())
    if listed:
        return listed[0]
    if "properties" in schema:
        return {
            name: example_of(inner, components, sent=sent, pointer=f"{pointer}/{name}")
            for name, inner in schema["properties"].items()
            if not (sent and inner.get("readOnly"))
        }
    if schema.get("type") == "array":
        return [example_of(schema["items"], components, sent=sent, pointer=f"{pointer}/0")]
    if schema.get("type") == "boolean":
        return True
    if schema.get("format") in _OF_FORMATS:
        return _OF_FORMATS[schema["format"]]
    if may_be_null:
        return None
    raise NoExampleError(pointer)


def _resolved(schema: Schema, components: Schema) -> Schema:
    """What stands beside a reference, and of alternatives the first that is something."""
    if "$ref" in schema:
        beside = {name: value for name, value in schema.items() if name != "$ref"}
        return _resolved({**components["schemas"][schema["$ref"].rpartition("/")[2]], **beside}, components)
    chosen = next((one for one in schema.get("anyOf", ()) if one.get("type") != "null"), None)
    if chosen is None:
        return schema
    beside = {name: value for name, value in schema.items() if name != "anyOf"}
    return _resolved({**chosen, **beside}, components)
