import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from tests.integration.claims.rows import refresh
from tests.support.repository import ROOT

PROGRAM = Path(__file__).with_name("working_process.py")
VERSIONS = 8


class Worker:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def says(self) -> str:
        async with asyncio.timeout(60):
            return (await self._process.stdout.readline()).decode().strip()

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    async def hears(self) -> None:
        self._process.stdin.write(b"\n")
        await self._process.stdin.drain()


@pytest.fixture
async def worker(installation):
    started = []

    async def start(*arguments: object) -> Worker:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(PROGRAM), *map(str, arguments)),
            cwd=ROOT,
            env=os.environ | installation.environment("auth", "worker") | {"PYTHONPATH": _path()},
            stdin=PIPE,
            stdout=PIPE,
        )
        started.append(process)
        return Worker(process)

    yield start
    for process in started:
        if process.returncode is None:
            process.send_signal(signal.SIGCONT)
            process.kill()
        await process.communicate()


def _path() -> str:
    return os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])


async def answer(claim) -> str:
    return "in time"


class TestTwoProcesses:
    async def test_that_hammer_the_same_rows_do_each_work_once(self, worker, tokens, redis):
        made = [await tokens.make() for _ in range(5)]
        workers = [await worker("hammer", VERSIONS, *made) for _ in range(2)]

        done = [int(await one.says()) for one in workers]

        assert sum(done) == len(made) * (VERSIONS - 1)
        for token in made:
            assert await tokens.state(token) == ("ok", VERSIONS, None)
            assert [version for version, _ in await tokens.effects(token)] == list(range(2, VERSIONS + 1))


class TestAProcessThatIsStopped:
    @pytest.mark.parametrize(("where", "answered"), [("do", "claim.work_too_long"), ("store", "in time")])
    async def test_past_its_claim_writes_nothing_when_it_goes_on(self, worker, once, tokens, where, answered):
        token = await tokens.make()
        late = await worker("stop-in", where, token)
        assert await late.says() == "there"
        late.send(signal.SIGSTOP)

        assert await once.do(refresh(token, answer)) == "in time"

        late.send(signal.SIGCONT)
        await late.hears()
        assert await late.says() == answered
        assert await tokens.effects(token) == [(2, "in time")]
        assert await tokens.state(token) == ("ok", 2, None)

    async def test_by_a_kill_is_followed_by_another(self, worker, once, tokens):
        token = await tokens.make()
        late = await worker("stop-in", "do", token)
        assert await late.says() == "there"
        late.send(signal.SIGKILL)

        assert await once.do(refresh(token, answer)) == "in time"

        assert await tokens.effects(token) == [(2, "in time")]
