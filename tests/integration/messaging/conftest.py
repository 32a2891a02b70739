from collections.abc import AsyncIterator, Callable

import asyncpg
import pytest

from common.messaging.hints import Wakeups
from common.messaging.relay import Relay, RelaySettings
from common.postgres.engine import Database
from common.settings import KafkaSettings
from tests.support.caches import RedisClients
from tests.support.databases import Databases
from tests.support.installation import Installation
from tests.support.outbox import QUICK

TABLES = """
drop table if exists profile.effects, auth.counters;
create table profile.effects (
    position bigint generated always as identity primary key,
    event_id uuid not null, key text not null, version integer not null);
grant select, insert on profile.effects to profile_user, profile_system;
create table auth.counters (key text primary key, version integer not null);
grant select, insert, update on auth.counters to auth_system;
"""


@pytest.fixture(scope="module")
async def _tables(cleaned_by: tuple[asyncpg.Connection, object]) -> AsyncIterator[None]:
    connection, _ = cleaned_by
    await connection.execute(TABLES)
    yield
    await connection.execute("drop table profile.effects, auth.counters")


@pytest.fixture
async def auth(_tables: None, superuser: asyncpg.Connection, databases: Databases) -> Database:
    """Where events are recorded and relayed."""
    await superuser.execute("truncate auth.counters")
    return databases("auth", "worker")


@pytest.fixture
async def profile(_tables: None, superuser: asyncpg.Connection, databases: Databases) -> Database:
    """Where events have their effect."""
    await superuser.execute("truncate profile.effects")
    return databases("profile", "worker")


@pytest.fixture
def wakeups(installation: Installation, redis_clients: RedisClients) -> Wakeups:
    """Not running, so Redis is away and pollers poll fast; a test that is about hints runs it."""
    return Wakeups(redis_clients("auth"), installation.redis_settings("auth").prefix, ["outbox"])


@pytest.fixture
def kafka(kafka_settings: Callable[[str], KafkaSettings]) -> KafkaSettings:
    return kafka_settings("auth")


@pytest.fixture
def new_relay(auth: Database, kafka: KafkaSettings, wakeups: Wakeups) -> Callable[..., Relay]:
    def make(database: Database = auth, settings: RelaySettings = QUICK, **changes: object) -> Relay:
        return Relay(
            database,
            changes.get("kafka", kafka),
            changes.get("wakeups", wakeups),
            service="auth",
            settings=settings,
        )

    return make
