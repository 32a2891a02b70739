"""What the worker says about itself every few seconds, for whoever talks to the api only."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
import structlog

from common.clock import Clock, utc_now
from common.health.checks import Check, Finding, Severity, Unwell
from common.health.reading import Probe
from common.postgres.context import Context
from common.postgres.engine import Database

_log = structlog.get_logger("heartbeats")

BEAT_SECONDS = 5.0
SILENT_AFTER = timedelta(seconds=20)
_FORGOTTEN_AFTER = timedelta(hours=1)


@dataclass(frozen=True)
class Beat:
    lag: int | None = None
    """Messages that are not done yet, in all partitions; None before the first assignment."""
    kafka_seen_at: datetime | None = None


_WRITE = sa.text(
    """
    INSERT INTO heartbeats (process, at, lag, kafka_seen_at)
    VALUES (:process, :at, :lag, :kafka_seen_at)
    ON CONFLICT (process) DO UPDATE
        SET at = excluded.at,
            lag = excluded.lag,
            kafka_seen_at = coalesce(excluded.kafka_seen_at, heartbeats.kafka_seen_at)
    """
)
_FORGET = sa.text("DELETE FROM heartbeats WHERE at < :before")


class Heartbeats:
    """The first beat waits for nobody, Kafka least of all: a worker without Kafka is alive, and says so."""

    def __init__(
        self, database: Database, *, process: str, beat: Callable[[], Beat], clock: Clock = utc_now
    ) -> None:
        self._database = database
        self._process = process
        self._beat = beat
        self._clock = clock

    async def write(self) -> None:
        beat, now = self._beat(), self._clock()
        async with self._database.transaction(as_user=Context.SYSTEM) as tx:
            await tx.execute(
                _WRITE,
                {"process": self._process, "at": now, "lag": beat.lag, "kafka_seen_at": beat.kafka_seen_at},
            )
            await tx.execute(_FORGET, {"before": now - _FORGOTTEN_AFTER})

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                await self.write()
            except Exception as error:  # noqa: BLE001 - the next beat tells as well
                _log.warning("heartbeat.unwritten", error=type(error).__name__)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), timeout=BEAT_SECONDS)


def worker_check(probe: Probe, *, clock: Clock = utc_now) -> Check:
    """For the api: whether any worker of the service beats, and sees Kafka."""

    async def ask() -> Finding:
        now = clock()
        beating = [beat for beat in (await probe.read()).heartbeats if not is_silent(beat.at, now)]
        if not beating:
            raise Unwell("no worker has been heard of lately", workers=0)
        known = [beat.lag for beat in beating if beat.lag is not None]
        lag = sum(known) if known else None
        seen = max((beat.kafka_seen_at for beat in beating if beat.kafka_seen_at is not None), default=None)
        data = {"lag": lag, "workers": len(beating), "seen_at": None if seen is None else seen.isoformat()}
        if is_silent(seen, now):
            raise Unwell("the worker does not see Kafka", **data)
        return Finding("the lag is not known" if lag is None else f"lag {lag}", data)

    return Check("kafka", ask, severity=Severity.DEGRADING, fresh_seconds=2.0)


def kafka_check(seen_at: Callable[[], datetime | None], *, clock: Clock = utc_now) -> Check:
    """For the worker itself: the outbox and the topics keep what cannot move now."""

    async def ask() -> str:
        if is_silent(seen_at(), clock()):
            raise Unwell("Kafka has not been seen lately")
        return "seen"

    return Check("kafka", ask, severity=Severity.DEGRADING, fresh_seconds=1.0)


def is_silent(seen_at: datetime | None, now: datetime) -> bool:
    """A moment to come tells nothing: it is of a clock that was set back, or of another one."""
    return seen_at is None or abs(now - seen_at) > SILENT_AFTER
