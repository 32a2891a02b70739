"""Ended sessions, known to every api within a second: rows in each service's own schema, polled."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
import structlog
from prometheus_client import Counter, Gauge

from common.clock import Clock, utc_now
from common.contracts.auth import SessionRevoked
from common.contracts.envelope import Event
from common.errors import unavailable
from common.postgres.context import Context
from common.postgres.engine import Database, Transaction, wake_after_commit

_log = structlog.get_logger("revocation")

HINT = "revoked"
WINDOW_SECONDS = 60
POLL_SECONDS = 0.4
_FULL_AFTER_SECONDS = WINDOW_SECONDS - 20
"""All rows are read again so often: after an absence, a commit that came later than its window, a clock that
was put forward and back."""

_KNOWN = Gauge("quartet_revoked_sids", "Ended sessions whose access tokens have not all expired.")
_FAILURES = Counter("quartet_revoked_sids_failures_total", "Reads of ended sessions that failed.")

_READ_ALL = "SELECT session_id, expires_at FROM revoked_sids WHERE expires_at > now()"
_READ_NEW = f"{_READ_ALL} AND revoked_at > now() - interval '{WINDOW_SECONDS} seconds'"

_REMEMBER = sa.text(
    """
    INSERT INTO revoked_sids (session_id, revoked_at, expires_at)
    SELECT DISTINCT ON (session_id) session_id, now(), expires_at
    FROM unnest(CAST(:session_ids AS uuid[]), CAST(:expires_at AS timestamptz[]))
        AS revoked (session_id, expires_at)
    WHERE expires_at > now()
    ORDER BY session_id, expires_at DESC
    ON CONFLICT DO NOTHING
    """
)


async def remember_revoked(tx: Transaction, events: Sequence[Event[SessionRevoked]]) -> None:
    """A set-based handler, as system: makes the sessions known to this service's api processes."""
    await remember_revoked_sids(
        tx, [(event.data.session_id, event.data.tokens_expire_at) for event in events]
    )


async def remember_revoked_sids(tx: Transaction, revoked: Sequence[tuple[UUID, datetime]]) -> None:
    # revoked_at is when this schema learns of it: an event that comes late must still fall into the window.
    await tx.execute(
        _REMEMBER,
        {"session_ids": [sid for sid, _ in revoked], "expires_at": [until for _, until in revoked]},
    )
    wake_after_commit(tx, HINT)


class RevokedSids:
    """`sid in revoked` costs nothing; what it knows is at most one poll old while the database answers."""

    def __init__(
        self,
        database: Database,
        *,
        hint: asyncio.Event | None = None,
        poll_seconds: float = POLL_SECONDS,
        clock: Clock = utc_now,
    ) -> None:
        self._database = database
        self._hint = hint or asyncio.Event()
        self._poll = poll_seconds
        self._clock = clock
        self._until: dict[UUID, datetime] = {}
        self._all_read_at: float | None = None

    def __contains__(self, session_id: object) -> bool:
        if self._all_read_at is None:
            raise unavailable(
                "token.revocations_unknown", "The service is still starting; try again shortly."
            )
        until = self._until.get(session_id) if isinstance(session_id, UUID) else None
        return until is not None and self._clock() < until

    @property
    def loaded(self) -> bool:
        return self._all_read_at is not None

    async def refresh(self) -> None:
        now = asyncio.get_running_loop().time()
        recent = self._all_read_at is not None and now - self._all_read_at < _FULL_AFTER_SECONDS
        async with self._database.read_transaction(as_user=Context.SHARED) as connection:
            rows: list[Any] = await connection.fetch(_READ_NEW if recent else _READ_ALL)
        self._until.update({row["session_id"]: row["expires_at"] for row in rows})
        if not recent:
            self._all_read_at = now
        self._forget_expired()
        _KNOWN.set(len(self._until))

    async def run(self, stop: asyncio.Event) -> None:
        """Never ends by itself: a database that is away is tried again with every poll."""
        while not stop.is_set():
            self._hint.clear()
            try:
                await self.refresh()
            except Exception as error:  # noqa: BLE001 - whatever it is, what is known stays known
                _FAILURES.inc()
                _log.warning("revocation.unread", error=type(error).__name__)
            await _first_of(self._hint, stop, within_seconds=self._poll)

    def _forget_expired(self) -> None:
        now = self._clock()
        if any(until <= now for until in self._until.values()):
            self._until = {sid: until for sid, until in self._until.items() if until > now}


async def _first_of(*events: asyncio.Event, within_seconds: float) -> None:
    waits = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, timeout=within_seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
            with suppress(asyncio.CancelledError):
                await wait
