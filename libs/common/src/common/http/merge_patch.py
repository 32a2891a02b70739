"""JSON merge patch (RFC 7396): what is there replaces, null removes, objects are merged, lists replaced."""

import json
from typing import Annotated, Any, Final, TypeVar, cast

from fastapi import Body, Depends, Request
from pydantic import BaseModel, ValidationError

from common.errors import Fault, Kind
from common.http.answers import RefusalError
from common.http.bodies import MOST_DEPTH
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
        raise invalid_request({**one, "loc": ("body", *one["loc"])} for one in error.errors()) from None


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


MergePatch = Annotated[dict[str, Any], Depends(_patch)]
"""The body of a PATCH; whatever is no merge patch is refused with 415."""
