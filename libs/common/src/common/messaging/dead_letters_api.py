"""The operator's way to messages that stopped, on the worker's internal port."""

import base64
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from common.errors import Kind, QuartetError
from common.http.internal import Operator
from common.http.timestamps import Timestamp
from common.messaging.dead_letters import DeadLetter, DeadLetters, Outcome, Selection

_Partition = Annotated[int | None, Field(ge=0, lt=2**31)]
_Offset = Annotated[int | None, Field(ge=0, lt=2**63)]


class SelectionBody(BaseModel):
    """What is not named does not narrow."""

    model_config = ConfigDict(extra="forbid")

    id: UUID | None = None
    topic: str | None = None
    key: str | None = None
    partition: _Partition = None
    first_offset: _Offset = None
    last_offset: _Offset = None

    def selection(self) -> Selection:
        return Selection(**self.model_dump(include=set(SelectionBody.model_fields)))


class ActBody(SelectionBody):
    """Naming nothing acts on nothing: whoever means every message says `everything`."""

    everything: bool = False
    dry_run: bool = False

    def chosen(self) -> Selection:
        selection = self.selection()
        if selection == Selection() and not self.everything:
            raise QuartetError(
                "selection.empty",
                "Name an id, a topic, a key, a partition or offsets, or say everything.",
                kind=Kind.INVALID,
            )
        return selection


class DeadLetterOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    consumer: str
    topic: str
    partition: int
    record_offset: int
    key: str | None
    event_id: UUID | None
    event_type: str | None
    user_id: UUID | None
    kind: str
    error_class: str
    error_detail: str
    attempts: int
    trace: str | None
    versions: dict[str, str]
    parked_at: Timestamp


class Listing(BaseModel):
    items: list[DeadLetterOut]
    next_cursor: None = None
    more: bool
    """Others fit too: ask for more, or narrow."""


class OpenedOut(DeadLetterOut):
    headers: list[dict[str, str]]
    payload: str | None
    payload_encoding: Literal["text", "base64"]


class RefusalOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    reason: str


class OutcomeOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    dry_run: bool
    done: list[UUID]
    refused: list[RefusalOut]
    more: bool


def dead_letters_router(letters: DeadLetters) -> APIRouter:
    router = APIRouter(prefix="/internal/v1/dead-letters", tags=["dead letters"])

    async def list_letters(
        _: Operator,
        selection: Annotated[SelectionBody, Depends()],
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> Listing:
        found = await letters.find(selection.selection(), limit=limit + 1)
        return Listing(items=[_out(letter) for letter in found[:limit]], more=len(found) > limit)

    async def show(letter_id: UUID, actor: Operator) -> OpenedOut:
        opened = await letters.show(letter_id, actor=actor)
        payload, encoding = _readable(opened.payload)
        return OpenedOut(
            **vars(opened.letter), headers=opened.headers, payload=payload, payload_encoding=encoding
        )

    async def replay(body: ActBody, actor: Operator) -> OutcomeOut:
        return _outcome(await letters.replay(body.chosen(), actor=actor, dry_run=body.dry_run))

    async def drop(body: ActBody, actor: Operator) -> OutcomeOut:
        return _outcome(await letters.drop(body.chosen(), actor=actor, dry_run=body.dry_run))

    router.add_api_route("", list_letters, methods=["GET"])
    router.add_api_route("/replay", replay, methods=["POST"])
    router.add_api_route("/drop", drop, methods=["POST"])
    router.add_api_route("/{letter_id}", show, methods=["GET"])
    return router


def _out(letter: DeadLetter) -> DeadLetterOut:
    return DeadLetterOut.model_validate(letter)


def _outcome(outcome: Outcome) -> OutcomeOut:
    return OutcomeOut.model_validate(outcome)


def _readable(payload: bytes | None) -> tuple[str | None, Literal["text", "base64"]]:
    if payload is None:
        return None, "text"
    try:
        return payload.decode(), "text"
    except UnicodeDecodeError:
        return base64.b64encode(payload).decode(), "base64"
