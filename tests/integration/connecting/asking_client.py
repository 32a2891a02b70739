"""Several processes that ask PostgreSQL through a pooler; prints how many answers were which."""

import asyncio
import json
import multiprocessing
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


async def asked(kind: str, url: str, seed: int) -> Counter[str]:
    ask = await {"defaults": by_defaults, "ours": by_ours}[kind](url)
    return await answers(ask, seed)


def main(kind: str, url: str, number: str) -> None:
    """Each is a fork of this process, made before anything is connected: what it imports is imported once."""
    forking = multiprocessing.get_context("fork")
    told = forking.SimpleQueue()
    processes = [
        forking.Process(target=lambda seed=seed: told.put(asyncio.run(asked(kind, url, seed))))
        for seed in range(int(number))
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    # one that failed has told nothing, and its questions are missed
    seen = sum((told.get() for process in processes if process.exitcode == 0), Counter[str]())
    print(json.dumps(seen))  # noqa: T201 - read by the test


if __name__ == "__main__":
    main(*sys.argv[1:])
