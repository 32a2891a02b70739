"""One of several processes that ask PostgreSQL through a pooler; prints how many answers were which."""

import asyncio
import json
import random
import sys
from collections import Counter
from collections.abc import Awaitable, Callable

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from common.postgres.context import Context
from common.postgres.engine import Database
from common.postgres.pooler import settle_pooler
from common.postgres.url import fix_async_database_url
from common.settings import DatabaseSettings

AT_ONCE = 2
QUESTIONS = 150
DIFFERENT = 12
Ask = Callable[[str], Awaitable[int]]


async def by_defaults(url: str) -> Ask:
    fixed, arguments = fix_async_database_url(url)
    engine = create_async_engine(fixed, connect_args=arguments, pool_size=AT_ONCE)

    async def ask(question: str) -> int:
        async with engine.connect() as connection:
            return (await connection.execute(sa.text(question))).scalar_one()

    return ask


async def by_ours(url: str) -> Ask:
    settings = DatabaseSettings.model_validate({"url": url, "pool_size": AT_ONCE})
    settled = await settle_pooler(settings, service="auth")
    database = Database(settled, service="auth", application_name="asking")

    async def ask(question: str) -> int:
        async with database.transaction(as_user=Context.SHARED) as tx:
            return (await tx.execute(sa.text(question))).scalar_one()

    return ask


async def answers(ask: Ask, seed: int) -> Counter[str]:
    seen: Counter[str] = Counter()
    chosen = random.Random(seed)

    async def go_on() -> None:
        for _ in range(QUESTIONS):
            number = chosen.randrange(DIFFERENT)
            try:
                answer = await ask(f"SELECT {number} AS answer")
            except Exception:  # noqa: BLE001 - the driver fails in many ways here
                seen["failed"] += 1
            else:
                seen["right" if answer == number else "wrong"] += 1

    await asyncio.gather(*(go_on() for _ in range(AT_ONCE)))
    return seen


async def main(kind: str, url: str, seed: str) -> None:
    ask = await {"defaults": by_defaults, "ours": by_ours}[kind](url)
    print(json.dumps(await answers(ask, int(seed))))  # noqa: T201 - read by the test


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
