"""The worker process: consumes, relays, runs jobs, keeps house."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Generic, TypeVar

from fastapi import FastAPI

from common.clock import Clock, utc_now
from common.composition.foundation import Foundation, foundation
from common.crypto.api import keys_router
from common.crypto.rotation import Sealing, ensure_keys_are_there, rotation_kind
from common.errors import Kind, QuartetError
from common.health.drain import Step
from common.health.heartbeats import Beat, Heartbeats, is_silent, kafka_check
from common.health.last_resort import run
from common.health.watchdog import STUCK_SECONDS, Progress
from common.housekeeping import Housekeeping, Task, common_tasks
from common.http.app import create_app
from common.http.serving import Listener, Serving
from common.http.tls import internal_server_tls
from common.ids import NewId, new_id
from common.jobs.api import router as jobs_router
from common.jobs.kinds import JobKind
from common.jobs.runner import Runner
from common.messaging.backoff import Backoff, elapses
from common.messaging.consumer import Consumer
from common.messaging.dead_letters import DeadLetters
from common.messaging.dead_letters_api import dead_letters_router
from common.messaging.handlers import Handlers
from common.messaging.hints import first_of
from common.messaging.pulse import Pulse
from common.messaging.relay import Relay
from common.postgres.constraints import NO_CONSTRAINTS, Constraints
from common.postgres.engine import Database
from common.settings import WorkerSettings
from common.settings_listing import settings_of
from common.starting import go_on

SettingsT = TypeVar("SettingsT", bound=WorkerSettings)
_WAKES = ("outbox", "jobs")


@dataclass(frozen=True)
class Worker(Generic[SettingsT]):
    service: str
    head: str
    handlers: Callable[[NewId, Clock], Handlers] | None = None
    job_kinds: Callable[[Foundation, SettingsT], Sequence[JobKind]] | None = None
    """Made at start, so that bodies have the database and the clients that they need."""
    constraints: Constraints = NO_CONSTRAINTS
    housekeeping: Callable[[SettingsT], Sequence[Task]] | None = None
    """What the service sees to every few minutes; first right after the start."""
    sealing: Callable[[SettingsT], Sealing] | None = None
    """With what and where the service seals; a key that was taken out too early ends the process."""
    stuck_seconds: float = STUCK_SECONDS


def run_worker(worker: Worker[SettingsT], settings_class: type[SettingsT]) -> None:
    go_on()
    settings = settings_of(settings_class, service=worker.service, program=f"{worker.service}_service.worker")
    raise SystemExit(run(_work(worker, settings)))


async def _work(worker: Worker[SettingsT], settings: SettingsT) -> int:
    async with foundation(
        settings,
        service=worker.service,
        process="worker",
        constraints=worker.constraints,
        head=worker.head,
        wakes=_WAKES,
    ) as base:
        pulse = Pulse(settings.kafka, clock=utc_now)
        relay = Relay(base.database, settings.kafka, base.wakeups, service=worker.service)
        sealing = None if worker.sealing is None else worker.sealing(settings)
        kinds = _job_kinds(worker, settings, base, sealing)
        runner = Runner(base.database, kinds, wake=base.wakeups.event("jobs"))
        tidy = asyncio.Event()
        tasks = common_tasks(
            jobs_kept=timedelta(days=settings.jobs.kept_days),
            parked_kept=timedelta(days=settings.parked.kept_days),
        )
        own = () if worker.housekeeping is None else worker.housekeeping(settings)
        housekeeping = Housekeeping(base.database, (*tasks, *own), on_turn=tidy.set)
        consumer = _consumer(worker, settings, base)

        def beat() -> Beat:
            return Beat(lag=None if consumer is None else consumer.lag, kafka_seen_at=pulse.seen_at)

        heartbeats = Heartbeats(base.database, process=_process_name(worker.service, new_id), beat=beat)
        base.ready.add(kafka_check(lambda: pulse.seen_at))
        serving = Serving((_internal(worker, settings, base, consumer, sealing), base.probes()))
        base.start()
        base.tasks.start("pulse", pulse.run)
        base.tasks.start("heartbeats", heartbeats.run)
        base.tasks.start("relay", relay.run)
        base.tasks.start("jobs", runner.run)
        base.tasks.start("housekeeping", housekeeping.run)
        if consumer is not None:
            base.watchdog.watch(Progress(positions_of(consumer, pulse), stuck_seconds=worker.stuck_seconds))
            base.tasks.start("consumer", _once(tidy, consumer.run))
        if sealing is not None:
            base.tasks.start("keys", _look_for_keys(base.database, sealing))
        await _until_drained(base, serving)
        return 1 if base.tasks.failed else 0


def _consumer(worker: Worker[SettingsT], settings: SettingsT, base: Foundation) -> Consumer | None:
    if worker.handlers is None:
        return None
    return Consumer(base.database, settings.kafka, worker.handlers(new_id, utc_now))


def positions_of(consumer: Consumer, pulse: Pulse) -> Callable[[], Mapping[str, tuple[int, int]]]:
    """None while Kafka or the database is away: whoever waits for them is not stuck."""

    def positions() -> Mapping[str, tuple[int, int]]:
        if consumer.waits_for_database or is_silent(pulse.seen_at, utc_now()):
            return {}
        return {f"{one.topic}/{one.partition}": (one.position, one.highwater) for one in consumer.progress}

    return positions


def _job_kinds(
    worker: Worker[SettingsT], settings: SettingsT, base: Foundation, sealing: Sealing | None
) -> list[JobKind]:
    kinds = [] if worker.job_kinds is None else list(worker.job_kinds(base, settings))
    if sealing is not None:
        kinds.append(rotation_kind(base.database, sealing))
    return kinds


def _look_for_keys(database: Database, sealing: Sealing) -> Callable[[asyncio.Event], Awaitable[None]]:
    """Until the database answers, beside everything else."""

    async def run(stop: asyncio.Event) -> None:
        backoff, failures = Backoff(), 0
        while not stop.is_set():
            try:
                await ensure_keys_are_there(database, sealing)
            except QuartetError as error:
                if error.kind is not Kind.UNAVAILABLE:
                    raise
                failures += 1
                await elapses(backoff.delay(failures), unless=stop)
            else:
                await stop.wait()

    return run


def _once(
    tidy: asyncio.Event, run: Callable[[asyncio.Event], Awaitable[None]]
) -> Callable[[asyncio.Event], Awaitable[None]]:
    """The month's partitions come first: what stands in a default partition already cannot move there."""

    async def when_tidy(stop: asyncio.Event) -> None:
        await first_of(tidy, stop)
        await run(stop)

    return when_tidy


def _process_name(service: str, new_id: NewId) -> str:
    """Of this run: two workers of a service beat beside each other, and none says where it runs."""
    return f"{service}-worker-{new_id().hex[-8:]}"


def _internal(
    worker: Worker[SettingsT],
    settings: SettingsT,
    base: Foundation,
    consumer: Consumer | None,
    sealing: Sealing | None,
) -> Listener:
    routers = [jobs_router]
    if sealing is not None:
        routers.append(keys_router(sealing))
    if consumer is not None:
        routers.append(dead_letters_router(DeadLetters(consumer.delivery)))
    app: FastAPI = create_app(
        title=f"{worker.service} worker (internal)",
        service=worker.service,
        root_routers=routers,
        documented=False,
    )
    app.state.database = base.database
    app.state.clock = utc_now
    tls = internal_server_tls(settings.internal)
    host, port = settings.internal.host, settings.internal.port
    return Listener("internal", app, host, port, tls=tls, setting="INTERNAL_PORT")


async def _until_drained(base: Foundation, serving: Serving) -> None:
    await serving.start()
    for name, task in serving.tasks().items():
        base.watchdog.supervise(f"listener {name}", task)

    async def stop_intake(_: float) -> None:
        await base.tasks.stop("consumer", "jobs", "housekeeping", "keys")

    async def stop_relay(_: float) -> None:
        await base.tasks.stop("relay")

    async def stop_listening(left: float) -> None:
        await serving.stop("internal", within_seconds=min(left, 2.0))

    async def stop_rest(_: float) -> None:
        await base.tasks.stop_all()

    async def stop_probes(left: float) -> None:
        await serving.stop("probe", within_seconds=min(left, 1.0))

    await base.drain.run(
        (
            Step("intake", stop_intake),
            Step("relay", stop_relay),
            Step("listeners", stop_listening),
            Step("tasks", stop_rest),
            Step("probes", stop_probes),
        ),
        when_begun=base.watchdog.leaving,
    )
