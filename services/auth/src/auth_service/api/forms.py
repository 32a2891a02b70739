"""Forms, as OAuth's endpoints take them, and the client that sends one."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import parse_qsl, unquote_plus

from fastapi import Depends, Request
from fastapi.openapi.models import HTTPBase
from fastapi.security.base import SecurityBase
from starlette.requests import ClientDisconnect

from auth_service.api.oauth_errors import invalid_client, oauth_error
from auth_service.api.resources import UseResources
from auth_service.domain.service_clients import ServiceClient
from auth_service.usecases.authenticate_client import authenticate_client
from common.errors import Kind, QuartetError
from common.http.documented import OF_A_BODY, codes_of
from common.http.operations import Operation
from common.http.validation import malformed

MEDIA_TYPE = "application/x-www-form-urlencoded"
_MOST_BYTES = 16_384
_MOST_FIELDS = 20


@dataclass(frozen=True)
class Form:
    fields: Mapping[str, str]

    def asked(self, name: str) -> str:
        value = self.fields.get(name)
        if value is None:
            raise oauth_error("invalid_request", f"The field {name} is missing.")
        return value


@dataclass(frozen=True)
class Credentials:
    client_id: str
    secret: str


class FormBody:
    problems = (*OF_A_BODY, *codes_of(Kind.MALFORMED, "oauth.invalid_request"))

    async def __call__(self, request: Request) -> Form:
        """A field that stands there twice is refused: two readers could see two requests."""
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != MEDIA_TYPE:
            raise oauth_error("invalid_request", f"The body is a form: {MEDIA_TYPE}.")
        body = await _bounded(request)
        try:
            pairs = parse_qsl(
                body.decode("ascii"),
                keep_blank_values=True,
                strict_parsing=bool(body),
                errors="strict",
                max_num_fields=_MOST_FIELDS,
            )
        except ValueError:
            raise oauth_error("invalid_request", "The form cannot be read.") from None
        fields = dict(pairs)
        if len(fields) != len(pairs):
            raise oauth_error("invalid_request", "A field stands in the form twice.")
        # A field without a value counts as left out (RFC 6749, 3.2).
        return Form({name: value for name, value in fields.items() if value})


SentForm = Annotated[Form, Depends(FormBody())]


_BASIC = HTTPBase(
    scheme="basic",
    description="A client's id and secret, here or as `client_id` and `client_secret` in the form.",
)


def _describe(operation: Operation) -> None:
    basic = _BASIC.model_dump(mode="json", by_alias=True, exclude_none=True)
    operation.secured_by({"client_secret": basic}, {})


class ClientSecret(SecurityBase):
    """The client of this installation that sends the form, by its secret."""

    problems = codes_of(Kind.UNAUTHENTICATED, "oauth.invalid_client")
    amendments = (_describe,)

    def __init__(self) -> None:
        self.model = _BASIC
        self.scheme_name = "client_secret"

    async def __call__(self, request: Request, form: SentForm, resources: UseResources) -> ServiceClient:
        credentials = presented_credentials(request, form)
        if credentials is None:
            raise invalid_client()
        return await known_client(resources, credentials)


CurrentClient = Annotated[ServiceClient, Depends(ClientSecret())]


async def known_client(resources: UseResources, credentials: Credentials) -> ServiceClient:
    client = await authenticate_client(resources.database, credentials.client_id, credentials.secret)
    if client is None:
        raise invalid_client()
    return client


def presented_credentials(request: Request, form: Form) -> Credentials | None:
    """None when the request does not say that it comes from a client with a secret."""
    header, secret = request.headers.get("authorization"), form.fields.get("client_secret")
    if header is not None and secret is not None:
        raise oauth_error("invalid_request", "The secret stands in the header or in the form, not in both.")
    if header is not None:
        return _of_header(header)
    return None if secret is None else Credentials(form.fields.get("client_id", ""), secret)


def _of_header(header: str) -> Credentials:
    """Both parts are form-encoded before they are joined (RFC 6749, 2.3.1)."""
    scheme, _, encoded = header.partition(" ")
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode("ascii")
        client_id, colon, secret = text.partition(":")
        if scheme.lower() != "basic" or not colon:
            raise invalid_client()
        return Credentials(unquote_plus(client_id, errors="strict"), unquote_plus(secret, errors="strict"))
    except (binascii.Error, UnicodeError):
        raise invalid_client() from None


async def _bounded(request: Request) -> bytes:
    body = bytearray()
    try:
        async for part in request.stream():
            body += part
            if len(body) > _MOST_BYTES:
                raise QuartetError(
                    "body.too_large",
                    f"The form is larger than the {_MOST_BYTES} bytes that are taken.",
                    kind=Kind.TOO_LARGE,
                )
    except ClientDisconnect:
        raise malformed("body.incomplete", "The body ended before it was complete.") from None
    return bytes(body)
