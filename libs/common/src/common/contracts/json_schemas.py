"""JSON Schema of a payload, as readers may rely on it."""

from collections.abc import Mapping
from typing import Any, cast

from common.contracts.envelope import Payload, schema_urn

DIALECT = "https://json-schema.org/draft/2020-12/schema"

JsonSchema = Mapping[str, Any]


def schema_of(payload: type[Payload]) -> dict[str, Any]:
    """Open, unlike the model: a reader skips fields that it does not know, else none could ever be added."""
    schema = payload.model_json_schema()
    for part in (schema, *schema.get("$defs", {}).values()):
        part.pop("additionalProperties", None)
    return {"$schema": DIALECT, "$id": schema_urn(payload), **schema}


def inlined(schema: JsonSchema) -> dict[str, Any]:
    """The schema as a part of another document: without its own name, every reference replaced."""
    named = ("$schema", "$id", "$defs")
    return {name: value for name, value in resolved(schema, schema).items() if name not in named}


def resolved(node: Any, root: JsonSchema) -> Any:
    """`node` with every reference replaced by what it names; payloads are trees, never recursive."""
    if isinstance(node, Mapping):
        members = cast("JsonSchema", node)
        reference = members.get("$ref")
        if isinstance(reference, str):
            return resolved(root["$defs"][reference.rpartition("/")[2]], root)
        return {key: resolved(value, root) for key, value in members.items() if key != "$defs"}
    if isinstance(node, list):
        return [resolved(item, root) for item in cast("list[Any]", node)]
    return node
