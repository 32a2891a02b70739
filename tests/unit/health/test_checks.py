import asyncio

import pytest

from common.errors import unavailable
from common.health.checks import Check, Checks, Finding, Severity, Unwell, immediate
from common.telemetry.metrics import exposition
from tests.support.waiting import happens


class Neighbour:
    """Somebody who is asked whether they are well."""

    def __init__(self) -> None:
        self.asked = 0
        self.well = True
        self.answers = asyncio.Event()
        self.answers.set()

    async def __call__(self) -> str:
        self.asked += 1
        await self.answers.wait()
        if not self.well:
            raise Unwell("not today")
        return "well"


@pytest.fixture
def neighbour() -> Neighbour:
    return Neighbour()


@pytest.fixture
def elapsed() -> list[float]:
    return [100.0]


@pytest.fixture
def check(neighbour: Neighbour, elapsed: list[float]) -> Check:
    return Check("neighbour", neighbour, timeout_seconds=0.05, fresh_seconds=1, now=lambda: elapsed[0])


class TestACheck:
    async def test_is_asked_once_while_its_answer_is_fresh(
        self, check: Check, neighbour: Neighbour, elapsed: list[float]
    ):
        await check.result()
        elapsed[0] += 0.9
        await check.result()
        elapsed[0] += 0.2
        await check.result()

        assert neighbour.asked == 2

    async def test_is_asked_once_for_all_who_want_to_know(self, check: Check, neighbour: Neighbour):
        results = await asyncio.gather(*(check.result() for _ in range(20)))

        assert neighbour.asked == 1
        assert all(result.healthy for result in results)

    async def test_that_does_not_answer_in_time_has_failed(self, check: Check, neighbour: Neighbour):
        neighbour.answers.clear()

        result = await asyncio.wait_for(check.result(), timeout=5)

        assert not result.healthy
        assert result.detail == "no answer within 0.05 s"

    async def test_that_never_passed_fails_at_once(self, check: Check, neighbour: Neighbour):
        neighbour.well = False

        assert not (await check.result()).healthy

    async def test_that_passed_fails_after_two_failures_in_a_row(
        self, check: Check, neighbour: Neighbour, elapsed: list[float]
    ):
        healthy: list[bool] = []
        for well in (True, False, True, False, False, True):
            neighbour.well = well
            healthy.append((await check.result()).healthy)
            elapsed[0] += 2

        assert healthy == [True, True, True, True, False, True]

    async def test_outlives_a_prober_who_hangs_up(self, neighbour: Neighbour):
        check = Check("neighbour", neighbour, timeout_seconds=5)
        neighbour.answers.clear()
        impatient = asyncio.create_task(check.result())
        patient = asyncio.create_task(check.result())
        started = asyncio.Event()
        asyncio.get_running_loop().call_soon(started.set)
        await happens(started)

        impatient.cancel()
        neighbour.answers.set()

        assert (await patient).healthy
        assert neighbour.asked == 1

    @pytest.mark.parametrize(
        ("error", "shown"),
        [
            (ValueError("postgresql://auth:hunter2@db-1/quartet"), "ValueError"),
            (unavailable("database.unavailable", "db-1 is away"), "database.unavailable"),
        ],
    )
    async def test_shows_no_text_of_a_foreign_error(self, error: Exception, shown: str):
        async def ask() -> str:
            raise error

        assert (await Check("database", ask).result()).detail == shown

    async def test_shows_the_figures_behind_its_words(self):
        async def full() -> str:
            raise Unwell("all 6 are in use", size=6, waiting=2)

        async def free() -> Finding:
            return Finding("4 idle of 6", {"size": 6, "idle": 4})

        assert (await Check("pool", full).result()).data == {"size": 6, "waiting": 2}
        assert (await Check("pool", free).result()).data == {"size": 6, "idle": 4}

    async def test_counts_each_time_that_it_did_not_pass(
        self, check: Check, neighbour: Neighbour, elapsed: list[float]
    ):
        await check.result()
        before = failures_of("neighbour")
        neighbour.well = False
        for _ in range(3):
            elapsed[0] += 2
            await check.result()

        assert failures_of("neighbour") - before == 3


def failures_of(name: str) -> float:
    lines = exposition().decode().splitlines()
    found = [line for line in lines if line.startswith(f'quartet_check_failures_total{{check="{name}"}}')]
    return sum(float(line.split()[-1]) for line in found)


class TestAReport:
    async def test_is_ok_when_only_a_degrading_check_fails(self, check: Check):
        def away() -> str:
            raise Unwell("away")

        report = await Checks([check, immediate("redis", away, severity=Severity.DEGRADING)]).report()

        assert report.ok
        assert report.degraded == ("redis",)

    async def test_leaves_out_what_is_excluded(self, check: Check, neighbour: Neighbour):
        neighbour.well = False
        checks = Checks([check, immediate("loop", lambda: "turning")])

        assert not (await checks.report()).ok
        assert (await checks.report(exclude=("neighbour",))).ok
