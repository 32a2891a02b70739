"""From a request over the outbox, Kafka and a consumer to what the consumer's service tells: one trace."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from uuid import uuid4

import asyncpg
import httpx
import pytest
from fastapi import APIRouter
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from common.clock import utc_now
from common.contracts.topics import PROFILES
from common.http.app import create_app
from common.ids import new_id
from common.messaging.consumer import Consumer
from common.messaging.hints import Wakeups
from common.messaging.outbox import record
from common.messaging.relay import Relay
from common.settings import KafkaSettings
from profile_service.consumers import build_handlers
from tests.support.caches import RedisClients
from tests.support.databases import Databases
from tests.support.factories import user_registered
from tests.support.installation import Installation, Process
from tests.support.listening import client_of
from tests.support.messaging import running
from tests.support.otlp import Collector, collector
from tests.support.outbox import QUICK
from tests.support.processes import started
from tests.support.streams import Streams
from tests.support.waiting import eventually

PROCESSES: tuple[tuple[str, Process], ...] = (("auth", "api"), ("auth", "worker"), ("profile", "worker"))
PASSWORD = "a passphrase that no span holds"


@pytest.fixture
def traced() -> tuple[str, dict[str, str]]:
    """A trace that a caller has begun, and the header that says so."""
    trace_id = uuid4().hex
    return trace_id, {"traceparent": f"00-{trace_id}-00f067aa0ba902b7-01"}


async def told_in(streams: Streams, trace_id: str) -> list[str]:
    """The parents that profile's events name which belong to this trace."""
    records = await streams.consume_all(PROFILES)
    parents = [dict(one.headers)["traceparent"].decode().split("-") for one in records]
    return [parent for _, of_trace, parent, _ in parents if of_trace == trace_id]


class TestOneTrace:
    @pytest.fixture
    def relays(
        self,
        databases: Databases,
        kafka_settings: Callable[[str], KafkaSettings],
        installation: Installation,
        redis_clients: RedisClients,
    ) -> Callable[[str], Relay]:
        def make(service: str) -> Relay:
            prefix = installation.redis_settings(service).prefix
            wakeups = Wakeups(redis_clients(service), prefix, ["outbox"])
            database = databases(service, "worker")
            return Relay(database, kafka_settings(service), wakeups, service=service, settings=QUICK)

        return make

    async def test_holds_every_step_with_its_cause_as_parent(
        self,
        exported: InMemorySpanExporter,
        databases: Databases,
        relays: Callable[[str], Relay],
        kafka_settings: Callable[[str], KafkaSettings],
        streams: Streams,
        traced: tuple[str, dict[str, str]],
    ):
        trace_id, header = traced
        auth, router = databases("auth", "api"), APIRouter()

        @router.post("/register")
        async def register() -> None:
            user_id = new_id()
            async with auth.transaction(as_user=user_id) as tx:
                await record(tx, user_registered(user_id))

        handlers = build_handlers(new_id, utc_now)
        consumer = Consumer(
            databases("profile", "worker"), kafka_settings("profile"), handlers, name=f"trace-{trace_id}"
        )
        async with running(relays("auth"), relays("profile"), consumer):
            async with client_of(create_app(title="Auth", service="auth", routers=[router])) as client:
                await client.post("/api/v1/auth/register", headers=header)
            (told,) = await eventually(lambda: told_in(streams, trace_id), within=30)

        spans = {one.name: one for one in exported.get_finished_spans() if trace_of(one) == trace_id}
        assert chain(spans, spans["process user.registered"]) == [
            "POST /api/v1/auth/register",
            "record user.registered",
            "process user.registered",
        ]
        assert chain(spans, spans["record profile.created"])[-1:] == ["record profile.created"]
        assert spans["record profile.created"].context.span_id == int(told, 16)
        assert {name.partition("-")[2] for name in spans if name.startswith("send")} == {
            "auth.user.v1",
            "profile.profile.v1",
        }


def trace_of(one: ReadableSpan) -> str:
    return f"{one.context.trace_id:032x}"


def chain(spans: dict[str, ReadableSpan], last: ReadableSpan) -> list[str]:
    """From what has no parent here down to this one."""
    by_id = {one.context.span_id: one for one in spans.values()}
    names = [last.name]
    while last.parent is not None and last.parent.span_id in by_id:
        last = by_id[last.parent.span_id]
        names.insert(0, last.name)
    return names


SPANS = {
    "auth-api: POST /api/v1/auth/register",
    "auth-api: record user.registered",
    "auth-worker: job mail",
    "auth-worker: send",
    "profile-worker: process user.registered",
    "profile-worker: record profile.created",
    "profile-worker: send",
}


class TestTheProcessesOfTwoServices:
    async def test_send_one_trace_to_the_collector_and_no_secret(
        self,
        installation: Installation,
        streams: Streams,
        superuser: asyncpg.Connection,
        traced: tuple[str, dict[str, str]],
    ):
        trace_id, header = traced
        email = f"{trace_id}@example.org"
        async with collector() as collecting, AsyncExitStack() as running:
            settings = {"TELEMETRY_OTLP_ENDPOINT": collecting.url, "OTEL_BSP_SCHEDULE_DELAY": "200"}
            api, *_ = await asyncio.gather(
                *(
                    running.enter_async_context(started(installation, service, process, **settings))
                    for service, process in PROCESSES
                )
            )
            async with httpx.AsyncClient(base_url=api.url, trust_env=False) as client:
                body = {"email": email, "password": PASSWORD}
                answer = await client.post("/api/v1/auth/register", json=body, headers=header)
            # each process sends what it has when its own time has come
            await eventually(lambda: names(collecting, trace_id) >= SPANS, within=40)

        assert answer.status_code == 202
        assert names(collecting, trace_id) == SPANS
        assert [one for one in collecting.spans if PASSWORD in one.words or email in one.words] == []


def names(collecting: Collector, trace_id: str) -> set[str]:
    """Topics are called otherwise on each test worker."""
    found = collecting.of_trace(trace_id)
    return {name.partition("send")[0] + "send" if ": send" in name else name for name in found}
