from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from auth_service.api.resources import UseResources
from auth_service.api.schemas import DeviceLabel
from auth_service.api.users import CurrentUser
from auth_service.domain.errors import session_not_found
from auth_service.storage.session_list import SessionRow, list_sessions, read_session, rename_session
from auth_service.usecases.end_sessions import end_sessions
from common.errors import Kind
from common.http.documented import raises
from common.http.merge_patch import merge_patch_of, patched
from common.http.timestamps import Timestamp

router = APIRouter(prefix="/sessions", tags=["sessions"])

SessionId = Annotated[UUID, Field(description="As the list of sessions tells it.")]


class SessionAnswer(BaseModel):
    id: UUID = Field(description="What access tokens name as `sid`.")
    current: bool = Field(description="Whether this request came from it.")
    created_at: Timestamp = Field(description="When somebody signed in, in UTC.")
    last_seen_at: Timestamp = Field(description="When it was last used, to the minute.")
    expires_at: Timestamp = Field(description="When it ends unless it is used before.")
    auth_time: Timestamp = Field(description="When a password or another factor was last asked for.")
    amr: list[str] = Field(description="How that was proven (RFC 8176): `pwd`, `otp`, …", examples=[["pwd"]])
    user_agent: str | None = Field(
        description="What the device says it is.", examples=["Mozilla/5.0 (X11; Linux x86_64)"]
    )
    network: str | None = Field(
        description="The network it was last seen in, not the address.", examples=["192.0.2.0/24"]
    )
    label: str | None = Field(description="What the user calls it.", examples=["Kitchen tablet"])


class SessionList(BaseModel):
    items: list[SessionAnswer] = Field(description="Those that are active, the last used first.")
    next_cursor: str | None = Field(default=None, description="Always null: all of them are in the answer.")


class SessionPatch(BaseModel):
    """What of a session may be changed."""

    model_config = ConfigDict(extra="forbid")

    label: DeviceLabel | None = Field(default=None, description="What the user calls it.")


def _answer(row: SessionRow, current: UUID | None) -> SessionAnswer:
    return SessionAnswer(current=row.id == current, **vars(row))


@router.get("", summary="The devices that are signed in")
async def get_sessions(user: CurrentUser, resources: UseResources) -> SessionList:
    async with resources.database.transaction(as_user=user.user_id) as tx:
        rows = await list_sessions(tx, user_id=user.user_id, now=resources.clock())
    return SessionList(items=[_answer(row, user.session_id) for row in rows])


@router.get("/{session_id}", summary="One device that is signed in")
@raises(Kind.NOT_FOUND, "session.not_found")
async def get_session(session_id: SessionId, user: CurrentUser, resources: UseResources) -> SessionAnswer:
    async with resources.database.transaction(as_user=user.user_id) as tx:
        row = await read_session(tx, user_id=user.user_id, session_id=session_id, now=resources.clock())
    if row is None:
        raise session_not_found()
    return _answer(row, user.session_id)


@router.patch("/{session_id}", summary="Call a device something else")
@raises(Kind.NOT_FOUND, "session.not_found")
async def patch_session(
    session_id: SessionId,
    patch: Annotated[dict[str, Any], merge_patch_of(SessionPatch)],
    user: CurrentUser,
    resources: UseResources,
) -> SessionAnswer:
    now = resources.clock()
    async with resources.database.transaction(as_user=user.user_id) as tx:
        row = await read_session(tx, user_id=user.user_id, session_id=session_id, now=now)
        if row is None:
            raise session_not_found()
        wanted = patched(SessionPatch(label=row.label), patch)
        row = await rename_session(
            tx, user_id=user.user_id, session_id=session_id, label=wanted.label, now=now
        )
    if row is None:
        raise session_not_found()
    return _answer(row, user.session_id)


@router.delete("/{session_id}", status_code=204, summary="Sign a device out")
@raises(Kind.NOT_FOUND, "session.not_found")
async def delete_session(session_id: SessionId, user: CurrentUser, resources: UseResources) -> Response:
    """Its tokens are refused everywhere within a second."""
    async with resources.database.transaction(as_user=user.user_id) as tx:
        ended = await end_sessions(
            tx,
            user_id=user.user_id,
            reason="revoked",
            now=resources.clock(),
            new_id=resources.new_id,
            only=session_id,
        )
    if not ended:
        raise session_not_found()
    return Response(status_code=204)


@router.delete("", status_code=204, summary="Sign out everywhere else")
async def delete_other_sessions(user: CurrentUser, resources: UseResources) -> Response:
    """All sessions but the one that asks; their tokens are refused everywhere within a second."""
    async with resources.database.transaction(as_user=user.user_id) as tx:
        await end_sessions(
            tx,
            user_id=user.user_id,
            reason="revoked",
            now=resources.clock(),
            new_id=resources.new_id,
            sparing=user.session_id,
        )
    return Response(status_code=204)
