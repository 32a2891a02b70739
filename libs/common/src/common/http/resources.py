"""What routes ask for of their application: set once by the composition root, never imported.

Coroutines, though nothing is awaited: the framework sends plain functions through a thread.
"""

from typing import Annotated

from fastapi import Depends, Request

from common.clock import Clock
from common.errors import Kind
from common.http.documented import DATABASE_CODES, raises
from common.http.streams import Streams
from common.postgres.engine import Database


@raises(Kind.UNAVAILABLE, *DATABASE_CODES)
async def _database(request: Request) -> Database:
    return request.app.state.database


async def _clock(request: Request) -> Clock:
    return request.app.state.clock


async def _streams(request: Request) -> Streams:
    return request.app.state.streams


UseDatabase = Annotated[Database, Depends(_database)]
UseClock = Annotated[Clock, Depends(_clock)]
UseStreams = Annotated[Streams, Depends(_streams)]
