"""Refusals of the OAuth endpoints: problems that also say `error` and `error_description` (RFC 6749)."""

from typing import Any, Final

from pydantic import Field

from common.errors import Kind, QuartetError
from common.http.answers import RefusalError
from common.problems import ProblemDocument, problem


class OAuthErrorDocument(ProblemDocument):
    """What an OAuth client reads of a refusal, beside what every error says."""

    error: str = Field(description="A name of RFC 6749, 7009 or 8707.", examples=["invalid_client"])
    error_description: str = Field(description="The same as `detail`.", examples=["The client is unknown."])


_ID: Final = "01a1f2c4-7d00-7000-8000-3b9e5c0a1f21"


def _answer(kind: Kind, error: str, description: str) -> dict[str, Any]:
    refusal = QuartetError(f"oauth.{error}", description, kind=kind)
    shown = problem(refusal, instance="/oauth/token", request_id=_ID).model_dump(exclude_none=True)
    example = {**shown, "error": error, "error_description": description}
    return {
        "model": OAuthErrorDocument,
        "description": description,
        "content": {"application/json": {"example": example}},
    }


REFUSALS: dict[int | str, dict[str, Any]] = {
    400: _answer(Kind.MALFORMED, "invalid_request", "The request is not one that could be granted."),
    401: _answer(Kind.UNAUTHENTICATED, "invalid_client", "No client of this installation is calling."),
}


def oauth_error(error: str, detail: str) -> RefusalError:
    return _refusal(error, detail, kind=Kind.MALFORMED, headers={})


def invalid_client() -> RefusalError:
    """The same whether there is no such client, it is disabled or its secret is another."""
    return _refusal(
        "invalid_client",
        "The client is unknown or its secret is wrong.",
        kind=Kind.UNAUTHENTICATED,
        headers={"WWW-Authenticate": 'Basic realm="quartet", charset="UTF-8"'},
    )


def _refusal(error: str, detail: str, *, kind: Kind, headers: dict[str, str]) -> RefusalError:
    # RFC 6749 names the media type, and clients look at it before they read the error.
    return RefusalError(
        f"oauth.{error}",
        detail,
        kind=kind,
        headers=headers,
        members={"error": error, "error_description": detail},
        media_type="application/json",
    )
