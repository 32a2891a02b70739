"""A POST that may be sent again: its answer is stored in the transaction of its effect, and given again.

The effect and the answer are one commit, so a crash leaves both or neither. Two requests with one key at once
meet at an advisory lock; the primary key stands behind it.
"""

import hashlib
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final
from uuid import UUID

import sqlalchemy as sa
from fastapi import Depends, Header, Request
from sqlalchemy.dialects.postgresql import JSONB
from starlette.responses import Response

from common.errors import Kind, QuartetError
from common.http.answers import RefusalError
from common.http.documented import raises
from common.http.permissions import CurrentUser
from common.http.validation import malformed
from common.postgres.engine import Database, Transaction

MOST_BODY_BYTES: Final = 65_536
REPLAYED: Final = "Idempotency-Replayed"
_SANE: Final = re.compile(r"[\x21-\x7e]{1,255}")
_KEPT_HEADERS: Final = ("content-type", "etag", "location")
_RETRY_AFTER_SECONDS: Final = 1

Effect = Callable[[Transaction], Awaitable[Response]]

_LOCK = sa.text("""
    SELECT pg_try_advisory_xact_lock(
        hashtextextended(current_schema() || '/idempotency/' || :name, 0))
""")
_FIND = sa.text("""
    SELECT request_hash, status, headers, body FROM idempotency_keys WHERE user_id = :user_id AND key = :key
""")
_KEEP = sa.text("""
    INSERT INTO idempotency_keys (user_id, key, request_hash, status, headers, body)
    VALUES (:user_id, :key, :request_hash, :status, :headers, :body)
""").bindparams(sa.bindparam("headers", type_=JSONB))


@dataclass(frozen=True, slots=True)
class KeyedRequest:
    """One request of one user, which has its effect once however often it is sent."""

    user_id: UUID
    key: str | None
    """None when the caller sent none: then nothing is remembered."""
    request_hash: bytes

    async def once(self, database: Database, effect: Effect, *, secret: bool = False) -> Response:
        """Runs `effect` as the user in one transaction, again from its beginning when others interfered.

        What it raises leaves nothing behind: the caller may try again with the same key. `secret` keeps the
        answer's body out of the table: a repetition then learns that it was done, not what was answered.
        """

        async def use_case(tx: Transaction) -> Response:
            return await self.once_within(tx, effect, secret=secret)

        return await database.in_transaction(self.user_id, use_case)

    async def once_within(self, tx: Transaction, effect: Effect, *, secret: bool = False) -> Response:
        """The same in a transaction of the caller's, as the user: for a request that needs several."""
        if self.key is None:
            return await effect(tx)
        # two statements: the second one's snapshot must be younger than the lock
        if not (await tx.execute(_LOCK, {"name": f"{self.user_id}/{self.key}"})).scalar_one():
            raise _in_flight()
        found = (await tx.execute(_FIND, {"user_id": self.user_id, "key": self.key})).one_or_none()
        if found is not None:
            return self._again(found)
        answer = await effect(tx)
        await tx.execute(_KEEP, self._row(answer, secret=secret))
        return answer

    def _row(self, answer: Response, *, secret: bool) -> dict[str, Any]:
        body = bytes(answer.body)
        if len(body) > MOST_BODY_BYTES:
            # before the commit: an effect whose answer cannot be given again must not stand
            raise ValueError(f"an answer of {len(body)} bytes is too large to be kept for an Idempotency-Key")
        return {
            "user_id": self.user_id,
            "key": self.key,
            "request_hash": self.request_hash,
            "status": answer.status_code,
            "headers": {name: answer.headers[name] for name in _KEPT_HEADERS if name in answer.headers},
            "body": None if secret else body,
        }

    def _again(self, found: sa.Row[Any]) -> Response:
        if bytes(found.request_hash) != self.request_hash:
            raise QuartetError(
                "idempotency_key_reused",
                "This Idempotency-Key belongs to a request that was different; take a new one.",
                kind=Kind.CONFLICT,
            )
        if found.body is None:
            raise RefusalError(
                "idempotency_answer_not_kept",
                "This was done before; its answer held a secret and is not given again.",
                kind=Kind.CONFLICT,
                headers={REPLAYED: "true"} | _location(found.headers),
            )
        return Response(
            bytes(found.body), status_code=found.status, headers=found.headers | {REPLAYED: "true"}
        )


_Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="1 to 255 visible ASCII characters, a UUID for example: sent again with the same "
        "content, the request has no second effect and is answered as before.",
    ),
]


@raises(Kind.MALFORMED, "idempotency_key_malformed")
@raises(Kind.CONFLICT, "idempotency_key_reused", "idempotency_key_in_flight", "idempotency_answer_not_kept")
async def _keyed(request: Request, user: CurrentUser, key: _Key = None) -> KeyedRequest:
    if key is not None and (len(request.headers.getlist("idempotency-key")) > 1 or not _SANE.fullmatch(key)):
        raise malformed(
            "idempotency_key_malformed", "An Idempotency-Key has 1 to 255 visible ASCII characters."
        )
    return KeyedRequest(user.user_id, key, b"" if key is None else await hash_of(request))


@raises(Kind.MALFORMED, "idempotency_key_missing")
async def _keyed_required(keyed: Annotated[KeyedRequest, Depends(_keyed)]) -> KeyedRequest:
    if keyed.key is None:
        raise malformed("idempotency_key_missing", "This asks for the header Idempotency-Key.")
    return keyed


IdempotencyKey = Annotated[KeyedRequest, Depends(_keyed)]
"""Of a POST that creates: honours an Idempotency-Key when there is one."""

IdempotencyKeyRequired = Annotated[KeyedRequest, Depends(_keyed_required)]
"""Of a POST that must not be sent without one."""


async def hash_of(request: Request) -> bytes:
    """Of all that makes the request what it is, byte for byte; each part after its length."""
    scope = request.scope
    parts = (
        scope["method"].encode(),
        scope["path"].encode(),
        scope["query_string"],
        request.headers.get("content-type", "").encode("latin-1"),
        await request.body(),
    )
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8) + part)
    return digest.digest()


def _in_flight() -> QuartetError:
    return QuartetError(
        "idempotency_key_in_flight",
        "The first request with this Idempotency-Key is still being worked on.",
        kind=Kind.CONFLICT,
        retry_after_seconds=_RETRY_AFTER_SECONDS,
    )


def _location(headers: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name == "location"}
