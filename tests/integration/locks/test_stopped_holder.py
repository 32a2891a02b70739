import asyncio
import os
import signal
import sys
import time
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from common.locks import Outcome
from tests.support.repository import ROOT
from tests.support.waiting import eventually

PROGRAM = Path(__file__).with_name("holding_process.py")
KEY = "auth:lock:refresh:one"


class Holder:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def says(self) -> list[str]:
        self.process.stdin.write(b"\n")
        async with asyncio.timeout(30):
            return (await self.process.stdout.readline()).decode().split()


@pytest.fixture
async def holder(own_redis):
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(PROGRAM), str(own_redis.port)),
        cwd=ROOT,
        env=os.environ,
        stdin=PIPE,
        stdout=PIPE,
    )
    yield Holder(process)
    if process.returncode is None:
        process.send_signal(signal.SIGCONT)
        process.kill()
    await process.communicate()


class TestAHolderThatWasStopped:
    async def test_for_longer_than_its_lock_lives_has_lost_it_and_knows(self, locks_on, own_redis, holder):
        redis = own_redis.client()
        outcome, held, fence = await holder.says()
        assert (outcome, held) == ("held", "True")
        holder.process.send_signal(signal.SIGSTOP)

        other = locks_on(redis).lock("refresh", "one", ttl_seconds=60.0, wait_seconds=30.0)
        async with other:
            assert other.outcome is Outcome.HELD
            assert other.fence > int(fence)
            holder.process.send_signal(signal.SIGCONT)

            assert (await holder.says())[1] == "False"
            holder.process.stdin.close()
            await holder.process.wait()
            assert (await redis.hget(KEY, "owner")).decode() == other._owner

    async def test_by_a_kill_is_followed_by_another_when_its_lock_ran_out(self, locks_on, own_redis, holder):
        await holder.says()
        holder.process.kill()

        async with locks_on(own_redis.client()).lock(
            "refresh", "one", ttl_seconds=60.0, wait_seconds=30.0
        ) as other:
            assert other.outcome is Outcome.HELD


class TestALoopThatLags:
    async def test_loses_the_lock(self, locks_on, own_redis):
        redis = own_redis.client()
        late = _late()
        async with locks_on(redis).lock("refresh", "one", ttl_seconds=1.5, wait_seconds=0.0) as held:
            assert held.outcome is Outcome.HELD
            # the next extension is due after 0.5 s; it comes more than another 0.5 s late
            _block_the_loop(until=held._hold.extend_at + 0.6)

            await eventually(lambda: _late() == late + 1)
            await eventually(lambda: _is_free(redis))
            assert not held.held


def _late() -> float:
    return REGISTRY.get_sample_value("quartet_lock_extensions_total", {"outcome": "late"}) or 0.0


def _block_the_loop(*, until: float) -> None:
    while time.monotonic() < until:
        pass


async def _is_free(redis) -> bool:
    return await redis.exists(KEY) == 0
