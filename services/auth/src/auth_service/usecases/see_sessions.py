"""When each session was last used: written beside the requests that use it, and seldom."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from auth_service.domain.tokens import ACCESS_TOKEN_LIFETIME
from auth_service.storage.session_states import see_session
from common.clock import Clock
from common.http.principals import Principal
from common.postgres.engine import Database

_log = structlog.get_logger("sessions")

EVERY = timedelta(minutes=1)
_MOST_REMEMBERED = 10_000
_MOST_WAITING = 1_000
"""Beyond that a sight is forgotten: the next one comes in a minute."""


class SeenSessions:
    def __init__(self, database: Database, *, clock: Clock, most_waiting: int = _MOST_WAITING) -> None:
        self._database = database
        self._clock = clock
        self._told: OrderedDict[UUID, datetime] = OrderedDict()
        self._waiting: asyncio.Queue[tuple[UUID, UUID, datetime]] = asyncio.Queue(most_waiting)
        self.failures = 0

    @property
    def waiting(self) -> int:
        return self._waiting.qsize()

    def note(self, user: Principal) -> None:
        """Costs a look into memory; a legacy token is of no session."""
        session_id = user.session_id
        if session_id is None:
            return
        now = self._clock()
        # whoever issued the token has written the session in that moment
        since = self._told.get(session_id) or user.expires_at - ACCESS_TOKEN_LIFETIME
        if now - since < EVERY or self._waiting.full():
            return
        self._told[session_id] = now
        self._told.move_to_end(session_id)
        while len(self._told) > _MOST_REMEMBERED:
            self._told.popitem(last=False)
        self._waiting.put_nowait((user.user_id, session_id, now))

    @asynccontextmanager
    async def written(self) -> AsyncGenerator[None]:
        """While this lasts, one after the other, on one connection at most."""
        writing = asyncio.create_task(self._write(), name="seen-sessions")
        try:
            yield
        finally:
            writing.cancel()
            with suppress(asyncio.CancelledError):
                await writing

    async def _write(self) -> None:
        while True:
            user_id, session_id, now = await self._waiting.get()
            try:
                async with self._database.read_transaction(as_user=user_id) as connection:
                    await see_session(
                        connection, user_id=user_id, session_id=session_id, now=now, unless_since=now - EVERY
                    )
            except Exception as error:  # noqa: BLE001 - nobody waits for it, and the next minute brings another
                self.failures += 1
                _log.warning("session.not_seen", error=type(error).__name__)
