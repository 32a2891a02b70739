"""OpenAPI tells of each route the problems that it can give: its own, and those of what it depends on."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any, TypeVar, cast

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.openapi.utils import get_openapi
from fastapi.routing import iter_route_contexts

from common.errors import Kind
from common.http.examples import NoExampleError, example_of
from common.http.operations import Amendment, Operation
from common.problems import MEDIA_TYPE, STATUS, TITLES, ProblemDocument

CallT = TypeVar("CallT", bound=Callable[..., Any])
Problems = tuple[tuple[Kind, str], ...]

_SCHEMA = {"$ref": "#/components/schemas/ProblemDocument"}
_METHODS = frozenset({"GET", "PUT", "POST", "DELETE", "PATCH"})


def codes_of(kind: Kind, *codes: str) -> Problems:
    return tuple((kind, code) for code in codes)


_OF_EVERY_ROUTE = (
    *codes_of(Kind.INTERNAL, "internal"),
    *codes_of(Kind.TIMEOUT, "request.timeout"),
    *codes_of(Kind.UNAVAILABLE, "server.stopping"),
)
_OF_PARAMETERS = codes_of(Kind.INVALID, "request.invalid")
_OF_A_PATH = codes_of(Kind.NOT_FOUND, "route.not_found")
"""A part of a path that cannot be stored leads nowhere."""
OF_A_BODY = (
    *codes_of(Kind.MALFORMED, "json.malformed", "json.too_deep", "body.not_utf8", "body.incomplete"),
    *codes_of(Kind.TOO_LARGE, "body.too_large"),
    *codes_of(Kind.UNSUPPORTED_MEDIA_TYPE, "media_type.unsupported", "content_encoding.unsupported"),
    *codes_of(Kind.INVALID, "request.invalid"),
)
DATABASE_CODES = (
    *("database.unavailable", "database.pool_exhausted", "database.closed"),
    *("database.timeout", "database.contention"),
)
"""All of kind unavailable, of whatever a route asks the database."""


def raises(kind: Kind, *codes: str) -> Callable[[CallT], CallT]:
    """On a route, or on what routes depend on: the codes of the problems that it raises."""
    return gives(codes_of(kind, *codes))


def gives(problems: Problems) -> Callable[[CallT], CallT]:
    """The problems of something that it calls by itself."""

    def marked(call: CallT) -> CallT:
        told: Problems = getattr(call, "problems", ())
        cast("Any", call).problems = (*told, *problems)
        return call

    return marked


def documentation(app: FastAPI) -> Callable[[], dict[str, Any]]:
    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    return document


def _document(app: FastAPI) -> dict[str, Any]:
    schema = get_openapi(title=app.title, version=app.version, openapi_version="3.1.0", routes=app.routes)
    schemas = schema.setdefault("components", {}).setdefault("schemas", {})
    described = ProblemDocument.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= described.pop("$defs", {}) | {"ProblemDocument": described}
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    for context in iter_route_contexts(app.routes):
        operations = schema["paths"].get(context.path_format)
        dependant: Dependant | None = getattr(context, "dependant", None)
        if operations is None or dependant is None or not context.methods:
            continue
        for method in context.methods & _METHODS:
            responses = operations[method.lower()]["responses"]
            # The framework's own idea of what a refused request looks like.
            responses.pop("422", None)
            for status, told in _responses(problems_of_route(dependant)).items():
                kept = responses.get(status, {}).get("content", {})
                responses[status] = {**told, "content": {**kept, **told["content"]}}
            operation = Operation(method, operations[method.lower()], schema["components"])
            for amend in _amendments(dependant):
                amend(operation)
            _headers_of_refusals(operation)
            _add_examples(operation)
    return schema


def _amendments(dependant: Dependant) -> Iterable[Amendment]:
    """Each once, what is depended on first: who asks for more comes after it."""
    calls = [part.call for part in reversed(list(_flat(dependant)))]
    return dict.fromkeys(amend for call in calls for amend in getattr(call, "amendments", ()))


def _headers_of_refusals(operation: Operation) -> None:
    operation.answers(
        "WWW-Authenticate", {"type": "string"}, description="What is asked for.", statuses=("401",)
    )
    for status, always in (("429", True), ("503", False)):
        operation.answers(
            "Retry-After",
            {"type": "integer", "minimum": 0, "examples": [2]},
            description="Seconds after which it is worth trying again.",
            statuses=(status,),
            always=always,
        )


def _add_examples(operation: Operation) -> None:
    """A body of which a field has none is left without; a test finds it."""
    bodies = [(operation.told.get("requestBody", {}), True)]
    bodies += [(told, False) for told in operation.told["responses"].values()]
    for body, sent in bodies:
        for content in body.get("content", {}).values():
            with suppress(NoExampleError):
                content.setdefault("example", example_of(content["schema"], operation.components, sent=sent))


def problems_of_route(dependant: Dependant) -> set[tuple[Kind, str]]:
    parts = list(_flat(dependant))
    told = {problem for part in parts for problem in getattr(part.call, "problems", ())}
    if any(part.body_params for part in parts):
        told |= set(OF_A_BODY)
    if any(part.path_params for part in parts):
        told |= set(_OF_A_PATH)
    if any(map(_has_parameters, parts)):
        told |= set(_OF_PARAMETERS)
    return told | set(_OF_EVERY_ROUTE)


def _has_parameters(part: Dependant) -> bool:
    return bool(part.path_params or part.query_params or part.header_params or part.cookie_params)


def _flat(dependant: Dependant) -> Iterator[Dependant]:
    yield dependant
    for inner in dependant.dependencies:
        yield from _flat(inner)


def _responses(told: Iterable[tuple[Kind, str]]) -> dict[str, Any]:
    """One entry a status: OpenAPI knows no others."""
    by_status: dict[int, list[tuple[Kind, str]]] = {}
    for kind, code in sorted(told, key=lambda one: one[1]):
        by_status.setdefault(STATUS[kind], []).append((kind, code))
    return {
        str(status): {
            "description": f"{TITLES[found[0][0]]}: {', '.join(f'`{code}`' for _, code in found)}.",
            "content": {MEDIA_TYPE: {"schema": _SCHEMA, "example": _example(status, *found[0])}},
            "x-problem-codes": [code for _, code in found],
        }
        for status, found in sorted(by_status.items())
    }


def _example(status: int, kind: Kind, code: str) -> dict[str, Any]:
    return {
        "type": f"urn:quartet:problem:{code}",
        "title": TITLES[kind],
        "status": status,
        "code": code,
        "detail": "A sentence for people.",
        "instance": "/api/v1/…",
        "request_id": "01a1f2c4-7d00-7000-8000-3b9e5c0a1f21",
    }
