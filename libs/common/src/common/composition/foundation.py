"""What the api and the worker of a service both stand on."""

import gc
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Literal

from redis.asyncio import Redis

from common.composition.certificates import watch_certificates
from common.composition.tasks import Tasks
from common.health.checks import Check, Checks
from common.health.database import database_check, pool_check, probe_database, schema_check
from common.health.drain import Drain
from common.health.last_resort import exit_after
from common.health.probes import probe_app
from common.health.reading import Probe
from common.health.redis import redis_check
from common.health.watchdog import Watchdog
from common.http.serving import Listener
from common.known_versions import KnownVersions
from common.messaging.hints import Hints, Wakeups
from common.postgres.constraints import Constraints
from common.postgres.engine import Database
from common.postgres.metrics import POOLS
from common.postgres.pooler import settle_pooler
from common.redis_client import open_redis
from common.settings import Settings
from common.telemetry.logging import configure_logging
from common.telemetry.tracing import close_tracing, configure_tracing

ProcessName = Literal["api", "worker"]


@dataclass(frozen=True)
class Foundation:
    settings: Settings
    service: str
    database: Database
    probe: Probe
    """What only checks ask through."""
    redis: Redis
    known_versions: KnownVersions
    hints: Hints
    wakeups: Wakeups
    drain: Drain
    watchdog: Watchdog
    tasks: Tasks
    ready: Checks

    def start(self) -> None:
        # what was imported stays: to look it through for garbage would hold up all requests at once
        gc.freeze()
        self.drain.take_signals()
        self.tasks.start("watchdog", self.watchdog.run)
        self.tasks.start("hints", self.hints.run)
        self.tasks.start("wakeups", self.wakeups.run)

    def probes(self) -> Listener:
        started = Checks(check for check in self._startup_checks)
        app = probe_app(live=self.watchdog.checks(), ready=self.ready, started=started)
        return Listener(
            "probe", app, self.settings.probe.host, self.settings.probe.port, setting="PROBE_PORT"
        )

    _startup_checks: tuple[Check, ...] = ()


@asynccontextmanager
async def foundation(
    settings: Settings,
    *,
    service: str,
    process: ProcessName,
    constraints: Constraints,
    head: str,
    wakes: Iterable[str],
) -> AsyncGenerator[Foundation]:
    """Opens in order, closes in reverse."""
    configure_logging(service=service, process=process, level=settings.telemetry.log_level)
    tracing = configure_tracing(settings.telemetry, service=service, process=process)
    watch_certificates(settings, service=service)
    database_settings = await settle_pooler(settings.database, service=service)
    async with AsyncExitStack() as opened:
        if tracing is not None:
            opened.callback(close_tracing, tracing)
        redis = open_redis(settings.redis)
        opened.push_async_callback(redis.aclose)
        known_versions = KnownVersions(redis, prefix=settings.redis.prefix)
        opened.push_async_callback(known_versions.close)
        hints = Hints(redis, settings.redis.prefix)
        wakeups = Wakeups(redis, settings.redis.prefix, wakes)

        def committed(names: Sequence[str]) -> None:
            wakeups.wake(names)
            hints.publish(names)

        database = Database(
            database_settings,
            service=service,
            application_name=f"{service}-{process}",
            constraints=constraints,
            on_commit=committed,
            on_change=known_versions.forget,
        )
        opened.push_async_callback(database.close)
        opened.enter_context(POOLS.watching("main", database.pool))
        probe = probe_database(database_settings, service=service, process=process)
        opened.push_async_callback(probe.close)
        opened.enter_context(POOLS.watching("probe", probe.database.pool))
        drain, watchdog = Drain(settings.drain, give_up_after=exit_after), Watchdog()
        schema = schema_check(probe, head=head)
        ready = Checks(
            (
                drain.check(),
                schema,
                database_check(probe),
                pool_check(database, size=database_settings.pool_size),
                redis_check(redis),
            )
        )
        tasks = Tasks(watchdog, drain)
        opened.push_async_callback(tasks.stop_all)
        yield Foundation(
            settings=settings,
            service=service,
            database=database,
            probe=probe,
            redis=redis,
            known_versions=known_versions,
            hints=hints,
            wakeups=wakeups,
            drain=drain,
            watchdog=watchdog,
            tasks=tasks,
            ready=ready,
            _startup_checks=(schema,),
        )
