"""Problem documents (RFC 9457) and the only table from an error's kind to an HTTP status; no framework."""

import json
from collections.abc import Mapping

from pydantic import BaseModel, Field

from common.errors import Kind, QuartetError

MEDIA_TYPE = "application/problem+json"

STATUS: dict[Kind, int] = {
    Kind.MALFORMED: 400,
    Kind.UNAUTHENTICATED: 401,
    Kind.FORBIDDEN: 403,
    Kind.NOT_FOUND: 404,
    Kind.METHOD_NOT_ALLOWED: 405,
    Kind.CONFLICT: 409,
    Kind.PRECONDITION_FAILED: 412,
    Kind.TOO_LARGE: 413,
    Kind.UNSUPPORTED_MEDIA_TYPE: 415,
    Kind.INVALID: 422,
    Kind.PRECONDITION_REQUIRED: 428,
    Kind.TOO_MANY: 429,
    Kind.INTERNAL: 500,
    Kind.UNAVAILABLE: 503,
    Kind.TIMEOUT: 503,
}

TITLES: dict[Kind, str] = {
    Kind.MALFORMED: "The request cannot be read",
    Kind.UNAUTHENTICATED: "Who is calling is not known",
    Kind.FORBIDDEN: "The caller may not do this",
    Kind.NOT_FOUND: "There is nothing here",
    Kind.METHOD_NOT_ALLOWED: "The method is not allowed here",
    Kind.CONFLICT: "The request does not fit the present state",
    Kind.PRECONDITION_FAILED: "It was changed meanwhile",
    Kind.TOO_LARGE: "The request is too large",
    Kind.UNSUPPORTED_MEDIA_TYPE: "The media type is not supported",
    Kind.INVALID: "The request has faults",
    Kind.PRECONDITION_REQUIRED: "The request must name the version that it changes",
    Kind.TOO_MANY: "Too many requests",
    Kind.INTERNAL: "Something went wrong here",
    Kind.UNAVAILABLE: "Not available right now",
    Kind.TIMEOUT: "It took too long",
}


class ProblemFault(BaseModel):
    """One thing wrong with one field of the request."""

    pointer: str = Field(
        description="JSON pointer to the field in the body; `?name`, `@name` and `#name` name a query "
        "parameter, a part of the path and a header.",
        examples=["/work_email"],
    )
    code: str = Field(description="Stable name of the fault.", examples=["field.missing"])
    detail: str = Field(description="A sentence for people; may change.", examples=["The field is missing."])
    choices: list[str] | None = Field(
        default=None, description="What could have been meant, where the value could mean several things."
    )


class ProblemDocument(BaseModel):
    """What every error looks like (RFC 9457)."""

    type: str = Field(
        description="URI of the kind of problem: `urn:quartet:problem:` and the code.",
        examples=["urn:quartet:problem:request.invalid"],
    )
    title: str = Field(
        description="Short summary, the same for every problem of this status.",
        examples=["The request has faults"],
    )
    status: int = Field(description="The HTTP status, repeated.", examples=[422])
    code: str = Field(
        description="Stable name of the problem; programs decide by it.", examples=["request.invalid"]
    )
    detail: str = Field(
        description="A sentence for people about this occurrence; may change.",
        examples=["The request has one fault."],
    )
    instance: str = Field(description="The path that was asked for.", examples=["/api/v1/profile/me"])
    request_id: str = Field(
        description="Names this request in the logs; quote it when reporting a problem.",
        examples=["01a1f2c4-7d00-7000-8000-3b9e5c0a1f21"],
    )
    errors: list[ProblemFault] | None = Field(
        default=None, description="Every fault of the request at once; only with status 422."
    )


def status_of(error: QuartetError) -> int:
    return STATUS[error.kind]


def problem(error: QuartetError, *, instance: str, request_id: str) -> ProblemDocument:
    return ProblemDocument(
        type=f"urn:quartet:problem:{error.code}",
        title=TITLES[error.kind],
        status=STATUS[error.kind],
        code=error.code,
        detail=error.detail,
        instance=instance,
        request_id=request_id,
        errors=[
            ProblemFault(
                pointer=fault.pointer,
                code=fault.code,
                detail=fault.detail,
                choices=list(fault.choices) or None,
            )
            for fault in error.faults
        ]
        or None,
    )


def encode(document: ProblemDocument, members: Mapping[str, str] | None = None) -> bytes:
    """`members` stand beside those of every problem."""
    if not members:
        return document.model_dump_json(exclude_none=True).encode()
    return json.dumps({**document.model_dump(exclude_none=True), **members}).encode()
