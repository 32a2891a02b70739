"""JSON merge patch (RFC 7396): what is there replaces, null removes, objects are merged, lists replaced."""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Final, TypeVar, cast

from fastapi import Body, Depends, Request
from pydantic import BaseModel, ValidationError

from common.errors import Fault, Kind
from common.http.answers import RefusalError
from common.http.bodies import MOST_DEPTH
from common.http.operations import Operation, tells
from common.http.validation import invalid, invalid_request, malformed

MEDIA_TYPE: Final = "application/merge-patch+json"
_TAKEN: Final = (MEDIA_TYPE, "application/json")

Json = Any
ModelT = TypeVar("ModelT", bound=BaseModel)


def merge(document: Json, patch: Json, *, depth: int = 1) -> Json:
    """Changes neither of the two."""
    if not isinstance(patch, dict):
        return patch
    if depth > MOST_DEPTH:
        raise malformed("json.too_deep", f"The patch nests deeper than {MOST_DEPTH} levels.")
    merged: dict[str, Json] = dict(cast("dict[str, Json]", document)) if isinstance(document, dict) else {}
    for name, value in cast("dict[str, Json]", patch).items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge(merged.get(name), value, depth=depth + 1)
    return merged


def patched(current: ModelT, patch: dict[str, Json]) -> ModelT:
    """The merged document, checked as a whole by the rules that PUT has: every fault at once, else 422."""
    document = merge(current.model_dump(mode="json"), patch)
    try:
        return type(current).model_validate_json(json.dumps(document))
    except ValidationError as error:
        raise invalid_request([{**one, "loc": ("body", *one["loc"])} for one in error.errors()]) from None


def merge_patch_of(told: type[BaseModel] | Mapping[str, Any]) -> Any:
    """`patch: Annotated[dict[str, Any], merge_patch_of(Person)]`: the body of a PATCH; whatever is no merge
    patch is refused with 415. The model, or a schema of the patch itself, is for the documentation alone.
    """
    if isinstance(told, Mapping):
        schema = {"type": "object", **told}
    else:
        described = told.model_json_schema()
        schema = _patch_schema(described, described.get("$defs", {}))

    def amend(operation: Operation) -> None:
        operation.told["requestBody"]["content"] = {media_type: {"schema": schema} for media_type in _TAKEN}

    # one for each route: what a dependency tells of its route hangs on it
    async def patch(found: Annotated[dict[str, Any], Depends(_patch)]) -> dict[str, Any]:
        return found

    return Depends(tells(amend)(patch))


async def _patch(
    request: Request,
    # any JSON here: a list of another media type's is to hear of its media type, not of its shape
    patch: Annotated[
        Any,
        Body(
            media_type=MEDIA_TYPE,
            json_schema_extra={"type": "object"},
            description="A JSON merge patch (RFC 7396), also as application/json: what is left out stays, "
            "null removes.",
        ),
    ],
) -> dict[str, Any]:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in _TAKEN:
        raise RefusalError(
            "media_type.unsupported",
            f"A patch is sent as {' or '.join(_TAKEN)}.",
            kind=Kind.UNSUPPORTED_MEDIA_TYPE,
            headers={"Accept-Patch": ", ".join(_TAKEN)},
        )
    if not isinstance(patch, dict):
        raise invalid(Fault("", "field.wrong_type", "A patch of this is an object."))
    return cast("dict[str, Any]", patch)


def _patch_schema(schema: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """Nothing has to be there, and null takes away what the document can do without."""
    if "$ref" in schema:
        beside = {name: value for name, value in schema.items() if name != "$ref"}
        return _patch_schema({**known[schema["$ref"].rpartition("/")[2]], **beside}, known)
    kept = {name: value for name, value in schema.items() if name not in {"default", "required", "$defs"}}
    if "properties" in kept:
        required = schema.get("required", ())
        members = {name: _patch_schema(inner, known) for name, inner in kept["properties"].items()}
        kept["properties"] = {
            name: inner if name in required else _or_null(inner) for name, inner in members.items()
        }
    return kept


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    null = {"type": "null"}
    if "anyOf" in schema:
        return schema if null in schema["anyOf"] else {**schema, "anyOf": [*schema["anyOf"], null]}
    beside = {name: schema.pop(name) for name in ("description", "examples", "title") if name in schema}
    return {"anyOf": [schema, null], **beside}
