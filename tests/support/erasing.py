"""Services that apply events as their workers do, and what is left of a user in them."""

import json
from collections.abc import Callable
from importlib import import_module
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from auth_service.domain.passwords import HashingCost, Passwords
from common.clock import utc_now
from common.contracts.envelope import Event
from common.ids import new_id
from common.messaging.delivery import Delivery
from common.messaging.handlers import Handlers
from common.postgres.context import Context
from common.postgres.engine import Database
from tests.support.accounts import add_user
from tests.support.databases import Databases
from tests.support.repository import SERVICE_PACKAGES
from tests.support.services import CONSTRAINTS, SCHEMAS

ADA, PASSWORD = "ada@example.org", "correct horse battery"

_OF_ONE_SERVICE = {
    "profile": (
        """
        insert into profile.preferences
            (user_id, units, week_start, date_display, time_display, number_display,
             notify_reminders, notify_summaries, notify_news, updated_at)
        values ($1, 'metric', 'monday', 'YYYY-MM-DD', '24h', '1,234.5', true, true, false, now())
        """,
        "insert into profile.avatars (user_id, updated_at) values ($1, now())",
    ),
}
"""What no event makes."""

_IN_TRANSIT = {"outbox", "inbox"}
"""What the relay has not taken yet, and which messages have come."""

_BUT = {"jobs": "user_id is not null"}
"""Work that an erasure leaves to do elsewhere, as files are deleted: it names the user, and is not theirs."""


class Applying:
    """A service's own handlers, over its own database and with no Kafka before them."""

    def __init__(self, service: str, databases: Databases) -> None:
        build: Callable[..., Handlers] = import_module(
            f"{SERVICE_PACKAGES[service].name}.consumers"
        ).build_handlers
        self.service = service
        self.database: Database = databases(service, "worker", constraints=CONSTRAINTS[service])
        self.delivery = Delivery(self.database, build(new_id, utc_now), consumer=f"{service}.test")

    async def apply(self, *events: Event[Any]) -> None:
        async def use_case(tx: Any) -> None:
            await self.delivery.handle(tx, events)

        await self.database.in_transaction(Context.SYSTEM, use_case)


async def rows_naming(superuser: asyncpg.Connection, service: str, what: object) -> dict[str, int]:
    """How many rows of each table hold it anywhere, be it inside a JSON or a text."""
    tables = [table.name for table in SCHEMAS[service].tables if table.name not in _IN_TRANSIT]
    holding = {
        name: f"from {service}.{name} t where to_jsonb(t)::text like $1 and {_BUT.get(name, 'true')}"
        for name in tables
    }
    found = {
        name: await superuser.fetchval(f"select count(*) {rows}", f"%{what}%")
        for name, rows in holding.items()
    }
    return {name: count for name, count in found.items() if count}


def tables_of_users(service: str) -> set[str]:
    return {
        table.name for table in SCHEMAS[service].tables if table.kind == "user" and not table.outlives_users
    }


def kept_of_users(service: str) -> set[str]:
    return {table.name for table in SCHEMAS[service].tables if table.outlives_users}


async def add_rows(superuser: asyncpg.Connection, service: str, user_id: UUID) -> None:
    """Of everything that no event makes: a job, a kept answer, a message that had to stop, the audit log."""
    for statement in _OF_ONE_SERVICE.get(service, ()):
        await superuser.execute(statement, user_id)
    await superuser.execute(
        f"""
        insert into {service}.jobs (id, kind, dedupe_key, user_id, arguments, max_attempts, run_at)
        values (gen_random_uuid(), 'anything', gen_random_uuid()::text, $1, '{{}}', 1, now())
        """,
        user_id,
    )
    await superuser.execute(
        f"""
        insert into {service}.idempotency_keys (user_id, key, request_hash, status, headers)
        values ($1, 'once', 'hash', 201, '{{}}')
        """,
        user_id,
    )
    await superuser.execute(
        f"""
        insert into {service}.parked_keys (consumer, topic, key, kind, error_class, error_detail)
        values ('{service}.test', 'auth.user.v1', $1, 'permanent', 'KeyError', 'raised somewhere')
        """,
        str(user_id),
    )
    await superuser.execute(
        f"""
        insert into {service}.parked_messages (id, consumer, topic, partition, record_offset, key, headers,
            kind, error_class, error_detail, event_id, user_id, versions)
        values (gen_random_uuid(), '{service}.test', 'auth.user.v1', 0, 7, $1::text, '[]',
            'permanent', 'KeyError', 'raised somewhere', gen_random_uuid(), $1::text::uuid, '{{}}')
        """,
        str(user_id),
    )
    await superuser.execute(
        f"""
        insert into {service}.audit_log (id, actor, action, user_id)
        values (gen_random_uuid(), 'user:' || $1::text, 'something.done', $1::text::uuid)
        """,
        str(user_id),
    )


async def erased_events(superuser: asyncpg.Connection) -> list[dict[str, Any]]:
    rows = await superuser.fetch("select payload from auth.outbox where type = 'user.erased'")
    return [json.loads(row["payload"]) for row in rows]


@pytest.fixture(scope="module")
def stored() -> str:
    return Passwords(HashingCost()).hash(PASSWORD)


@pytest.fixture
async def ada(auth_app, superuser, stored) -> UUID:
    return await add_user(superuser, email=ADA, hashed_password=stored)


@pytest.fixture
async def tokens(auth_app, ada):
    return await auth_app.log_in(ADA, PASSWORD)


@pytest.fixture
async def client(auth_app, tokens):
    async with auth_app.client(tokens["access_token"]) as client:
        yield client


@pytest.fixture
def auth(databases) -> Applying:
    return Applying("auth", databases)
