"""Routes that write a note for whoever sends an Idempotency-Key, each in another way."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID

import sqlalchemy as sa
from fastapi import APIRouter, Response
from pydantic import BaseModel

from common.errors import Kind, QuartetError
from common.http.idempotency import MOST_BODY_BYTES, IdempotencyKey, IdempotencyKeyRequired
from common.http.permissions import CurrentUser
from common.http.resources import UseDatabase
from common.ids import new_id
from common.postgres.engine import Transaction

_WRITE = sa.text("INSERT INTO audit_log (id, actor, action, user_id) VALUES (:id, 'test', :text, :user_id)")


class Note(BaseModel):
    text: str


class Notes:
    """Routes that write a note, and what a test lets happen between the note and the commit."""

    def __init__(self) -> None:
        self.before_commit: Callable[[Transaction], Awaitable[None]] = self.nothing
        self.entered = asyncio.Event()
        self.router = APIRouter()
        self.router.post("/notes", status_code=201)(self.write)
        self.router.post("/shelf/notes", status_code=201)(self.write)
        self.router.post("/keyed-notes", status_code=201)(self.write_keyed)
        self.router.post("/secrets", status_code=201)(self.write_secret)
        self.router.post("/refusals", status_code=201)(self.refuse)
        self.router.post("/large", status_code=201)(self.write_large)

    async def nothing(self, tx: Transaction) -> None:
        pass

    async def write(
        self, note: Note, user: CurrentUser, database: UseDatabase, key: IdempotencyKey
    ) -> Response:
        async def effect(tx: Transaction) -> Response:
            return await self.stored(tx, note, user.user_id)

        return await key.once(database, effect)

    async def write_keyed(
        self, note: Note, user: CurrentUser, database: UseDatabase, key: IdempotencyKeyRequired
    ) -> Response:
        async with database.transaction(as_user=user.user_id) as tx:
            return await key.once_within(tx, lambda tx: self.stored(tx, note, user.user_id))

    async def write_secret(
        self, note: Note, user: CurrentUser, database: UseDatabase, key: IdempotencyKey
    ) -> Response:
        return await key.once(database, lambda tx: self.stored(tx, note, user.user_id), secret=True)

    async def write_large(
        self, note: Note, user: CurrentUser, database: UseDatabase, key: IdempotencyKey
    ) -> Response:
        async def effect(tx: Transaction) -> Response:
            await self.stored(tx, note, user.user_id)
            return Response(b"x" * (MOST_BODY_BYTES + 1), status_code=201)

        return await key.once(database, effect)

    async def refuse(
        self, note: Note, user: CurrentUser, database: UseDatabase, key: IdempotencyKey
    ) -> Response:
        async def effect(tx: Transaction) -> Response:
            await self.stored(tx, note, user.user_id)
            raise QuartetError("notes.full", "No more notes.", kind=Kind.CONFLICT)

        return await key.once(database, effect)

    async def stored(self, tx: Transaction, note: Note, user_id: UUID) -> Response:
        note_id = new_id()
        await tx.execute(_WRITE, {"id": note_id, "text": note.text, "user_id": user_id})
        self.entered.set()
        await self.before_commit(tx)
        return Response(
            f'{{"id":"{note_id}"}}',
            status_code=201,
            media_type="application/json",
            headers={"Location": f"/notes/{note_id}", "ETag": '"v1"', "X-Trace": "of this answer only"},
        )
