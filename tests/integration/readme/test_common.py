from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest

from common.http.shared_limits import RateLimits, monotonic_us
from common.ids import new_id
from common.messaging.consumer import Consumer
from common.messaging.headers import encode
from common.postgres.context import Context
from tests.support.factories import user_registered
from tests.support.little_app import client_of, little_app
from tests.support.messaging import running
from tests.support.readme import blocks, run
from tests.support.repository import ROOT
from tests.support.waiting import eventually

PAGE = ROOT / "libs/common/README.md"
BLOCKS = blocks(PAGE)
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
TABLES = """
create table profile.notes (id uuid primary key, user_id uuid not null, text text not null);
grant select on profile.notes to profile_user;
create table auth.tokens (
    id uuid primary key, version bigint not null, claim uuid, claim_until timestamptz,
    state text not null, secret text not null);
grant select, update on auth.tokens to auth_system;
"""


def code_under(heading: str) -> dict[str, Any]:
    return run("\n".join(BLOCKS[heading]), PAGE)


@pytest.fixture
async def tables(superuser: asyncpg.Connection) -> AsyncIterator[asyncpg.Connection]:
    await superuser.execute(TABLES)
    yield superuser
    await superuser.execute("drop table profile.notes, auth.tokens")


class Provider:
    """Somebody else's service, which is asked once."""

    asked = 0

    async def refresh(self, token_id: object) -> str:
        self.asked += 1
        return "another secret"


class TestCode:
    @pytest.mark.parametrize("heading", BLOCKS)
    def test_needs_nothing_but_itself(self, heading):
        assert code_under(heading)

    async def test_stores_the_event_with_its_cause(self, databases, superuser):
        user_id = new_id()

        await code_under("Publish an event")["create_profile"](databases("profile", "api"), user_id, NOW)

        event = await superuser.fetchrow("select type, aggregateid from profile.outbox")
        assert tuple(event) == ("profile.created", str(user_id))

    async def test_consumes_an_event(self, databases, kafka_settings, streams, group, superuser):
        event = user_registered()
        handlers = code_under("Consume one")["handlers"]
        consumer = Consumer(
            databases("profile", "worker"), kafka_settings("profile"), handlers, name=group("profile")
        )
        await streams.produce(
            event.data.topic, event.key, encode(event, trace={}), event.data.model_dump_json()
        )

        async def greeted() -> bool:
            return (
                await superuser.fetchval("select user_id from profile.jobs where kind = 'greet'") is not None
            )

        async with running(consumer):
            await eventually(greeted)

        assert await superuser.fetchval("select user_id from profile.jobs") == event.data.user_id

    async def test_takes_a_claim(self, databases, redis_clients, tables):
        code, token_id, provider = code_under("Take a claim"), new_id(), Provider()
        await tables.execute("insert into auth.tokens values ($1, 1, null, null, 'ok', 'a secret')", token_id)

        secret = await code["refreshed"](
            databases("auth", "worker"), redis_clients("auth"), provider, token_id, Context.SYSTEM
        )

        row = await tables.fetchrow("select version, state, secret, claim from auth.tokens")
        assert (secret, provider.asked) == ("another secret", 1)
        assert tuple(row) == (2, "ok", "another secret", None)

    async def test_adds_an_endpoint(self, databases, redis_clients, tables):
        ada, note_id = new_id(), new_id()
        limits = RateLimits(redis_clients("profile"), prefix="profile:", now_us=monotonic_us)
        await tables.execute("insert into profile.notes values ($1, $2, 'remember')", note_id, ada)
        app = little_app(databases("profile", "api"), [code_under("Add an endpoint")["router"]])
        app.state.rate_limits = limits
        async with client_of(app, ada) as client:
            answers = [await client.get(f"/notes/{one}") for one in (note_id, new_id())]

        await limits.close()
        assert [answer.status_code for answer in answers] == [200, 404]
        assert answers[0].json() == {"text": "remember"}
        assert answers[1].json()["code"] == "note.not_found"
