"""profile's api process with one route more: a stream on which nothing comes, opened for a session."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID

from fastapi import APIRouter

from common.composition.api import Api, run_api
from common.http.principals import Principal
from common.http.resources import UseStreams
from common.http.sse import EventStream
from common.http.streams import Outlet, StreamEvent
from common.ids import new_id
from common.settings import ApiSettings
from profile_service.storage.tables import HEAD

router = APIRouter()


@router.get("/stream")
async def get_stream(session_id: UUID, streams: UseStreams) -> EventStream:
    principal = Principal(new_id(), session_id, datetime.now(UTC) + timedelta(minutes=10))
    return EventStream(streams, principal, source)


@asynccontextmanager
async def source(_: Outlet) -> AsyncGenerator[AsyncIterator[StreamEvent]]:
    yield nothing()


async def nothing() -> AsyncIterator[StreamEvent]:
    return
    yield


API: Api[ApiSettings] = Api(service="profile", title="Streams", head=HEAD, routers=(router,))

if __name__ == "__main__":
    run_api(API, ApiSettings)
