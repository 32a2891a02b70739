from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from uuid import UUID

import asyncpg
import pytest
from redis.asyncio import Redis

from common.ids import new_id
from common.locks import Locks
from common.once import Once
from common.postgres.engine import Database
from tests.integration.claims.rows import CREATE, DROP


@dataclass
class Tokens:
    """The claimed rows past all policies."""

    superuser: asyncpg.Connection

    async def make(self, user_id: UUID | None = None) -> UUID:
        token_id = new_id()
        await self.superuser.execute(
            "insert into auth.claimed_tokens (id, user_id) values ($1, $2)", token_id, user_id or new_id()
        )
        return token_id

    async def row(self, token_id: UUID) -> asyncpg.Record:
        return await self.superuser.fetchrow("select * from auth.claimed_tokens where id = $1", token_id)

    async def state(self, token_id: UUID) -> tuple[str, int, UUID | None]:
        row = await self.row(token_id)
        return row["state"], row["version"], row["claim"]

    async def effects(self, token_id: UUID) -> list[tuple[int, str]]:
        rows = await self.superuser.fetch(
            "select version, secret from auth.claimed_effects where token_id = $1 order by version", token_id
        )
        return [(row["version"], row["secret"]) for row in rows]

    async def run_out(self, token_id: UUID) -> None:
        await self.superuser.execute(
            "update auth.claimed_tokens set claim_until = now() - interval '1 second' where id = $1", token_id
        )


@pytest.fixture
async def tokens(superuser: asyncpg.Connection) -> AsyncIterator[Tokens]:
    await superuser.execute(f"{DROP}; {CREATE}")
    yield Tokens(superuser)
    await superuser.execute(DROP)


MakeOnce = Callable[..., Once]


@pytest.fixture
async def once_on(tokens: Tokens) -> AsyncIterator[MakeOnce]:
    """Processes of a service, as far as single flight, locks and claims know."""
    made: list[tuple[Once, Locks]] = []

    def make(database: Database, redis: Redis, *, patience_seconds: float = 5.0) -> Once:
        locks = Locks(redis, "auth:", patience_seconds=patience_seconds)
        made.append((Once(database, locks), locks))
        return made[-1][0]

    yield make
    for once, locks in made:
        await once.close()
        await locks.close()


@pytest.fixture
async def nobody() -> AsyncIterator[Redis]:
    """Redis where none is."""
    client = Redis(host="127.0.0.1", port=1)
    yield client
    await client.aclose()


@pytest.fixture
def once(once_on: MakeOnce, database: Database, redis: Redis) -> Once:
    return once_on(database, redis)
