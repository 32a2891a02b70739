import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pytest
import sqlalchemy as sa

from common.ids import new_id
from common.messaging.outbox import record
from common.postgres.context import Context
from common.postgres.engine import Database, Transaction
from tests.support.factories import user_registered
from tests.support.installation import Installation
from tests.support.messaging import versions
from tests.support.repository import ROOT
from tests.support.streams import Streams
from tests.support.waiting import eventually, throughout

PROGRAM = Path(__file__).with_name("worker_process.py")
NewProcess = Callable[..., Awaitable[Process]]


@pytest.fixture
async def new_process(installation: Installation) -> AsyncIterator[NewProcess]:
    """Two of one name share a consumer group; all are gone when the test ends."""
    started: list[Process] = []
    name = f"test-{uuid4().hex}"

    async def start(kind: str) -> Process:
        settings = installation.environment("auth" if kind == "relay" else "profile", "worker")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(PROGRAM), kind, name),
            cwd=ROOT,
            env=os.environ | settings | {"PYTHONPATH": _path()},
            stdout=PIPE,
            stderr=DEVNULL,
        )
        started.append(process)
        assert process.stdout is not None
        async with asyncio.timeout(60):
            assert await process.stdout.readline() == b"running\n"
        return process

    yield start
    for process in started:
        with suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


class Writers:
    """Go on changing and telling until they are told to end."""

    def __init__(self, database: Database, keys: list[UUID]) -> None:
        self._database = database
        self._keys = keys
        self._ended = False
        self._tasks = [asyncio.create_task(self._write(number)) for number in range(4)]

    async def end(self) -> None:
        self._ended = True
        await asyncio.gather(*self._tasks)

    async def _write(self, number: int) -> None:
        turn = number
        while not self._ended:
            key = self._keys[turn % len(self._keys)]
            await self._database.in_transaction(Context.SYSTEM, lambda tx, key=key: _count_up(tx, key))
            turn += 1


class TestTwoOfEach:
    async def test_order_and_single_effects_hold_while_any_is_paused_or_killed(
        self,
        auth: Database,
        profile: Database,
        streams: Streams,
        superuser: asyncpg.Connection,
        new_process: NewProcess,
    ):
        keys = [new_id() for _ in range(5)]
        await superuser.executemany("insert into auth.counters values ($1, 0)", [(str(k),) for k in keys])
        started = await asyncio.gather(*map(new_process, ["relay", "relay", "consumer", "consumer"]))
        relays, consumers = started[:2], started[2:]
        writers = Writers(auth, keys)
        await eventually(lambda: _effects_exceed(superuser, 20), within=20)

        for process in (relays[0], relays[1], consumers[0]):
            process.send_signal(signal.SIGSTOP)
            await throughout(lambda process=process: process.returncode is None, seconds=1.5)
            process.send_signal(signal.SIGCONT)
        relays[0].kill()
        consumers[0].kill()
        await _effects_grow(superuser)
        await writers.end()

        written = dict(await superuser.fetch("select key, version from auth.counters"))
        wanted = {key: list(range(1, version + 1)) for key, version in written.items()}
        await eventually(lambda: _have_happened(superuser, wanted), within=20)
        assert await versions(superuser) == wanted


async def _count_up(tx: Transaction, key: UUID) -> None:
    counted = await tx.execute(
        sa.text("UPDATE counters SET version = version + 1 WHERE key = :key RETURNING version"),
        {"key": str(key)},
    )
    await record(tx, user_registered(key, version=counted.scalar_one()))


async def _number(superuser: asyncpg.Connection) -> int:
    number: int = await superuser.fetchval("select count(*) from profile.effects")
    return number


async def _effects_exceed(superuser: asyncpg.Connection, number: int) -> bool:
    return await _number(superuser) > number


async def _effects_grow(superuser: asyncpg.Connection) -> None:
    before = await _number(superuser)
    await eventually(lambda: _effects_exceed(superuser, before + 20), within=25)


async def _have_happened(superuser: asyncpg.Connection, wanted: dict[str, list[int]]) -> bool:
    return await _number(superuser) >= sum(map(len, wanted.values()))


def _path() -> str:
    return os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
