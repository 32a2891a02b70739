import asyncio
import os
import signal
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from common.ids import new_id
from common.jobs import Control, Job, JobKind, LeaseLost, enqueue
from common.jobs.claiming import Extension, Kept, claim, extend
from common.jobs.endings import Ending, write_ending
from common.postgres.context import Context
from tests.support.repository import ROOT
from tests.support.waiting import eventually, throughout

_EFFECT = sa.text("""
    INSERT INTO audit_log (id, actor, action, user_id) VALUES (:id, 'job', 'effect', :user_id)
    ON CONFLICT DO NOTHING
""")


@pytest.fixture
async def stale(database, jobs, user_id) -> Job:
    """A job as a worker believes to have it, that another has claimed meanwhile."""
    job_id = await jobs.make(user_id=user_id)
    kind = JobKind("test", _never)
    async with database.transaction(as_user=Context.SYSTEM) as tx:
        [mine] = await claim(tx, kind, slots=1, claim_id=new_id())
    await jobs.expire(job_id)
    async with database.transaction(as_user=Context.SYSTEM) as tx:
        [theirs] = await claim(tx, kind, slots=1, claim_id=new_id())
    assert mine.id == theirs.id == job_id
    return mine


async def _never(job, control):
    raise AssertionError


class TestClaim:
    async def test_a_live_one_keeps_others_away(self, database, jobs):
        job_id = await jobs.make()
        kind = JobKind("test", _never, lease_seconds=60)

        async def claimed():
            async with database.transaction(as_user=Context.SYSTEM) as tx:
                return len(await claim(tx, kind, slots=5, claim_id=new_id()))

        while_it_lives = [await claimed(), await claimed()]
        await jobs.expire(job_id)

        assert [*while_it_lives, await claimed(), await claimed()] == [1, 0, 1, 0]

    async def test_lasts_for_its_lease_on_the_clock_of_the_database(self, database, jobs, superuser):
        job_id = await jobs.make()
        async with database.transaction(as_user=Context.SYSTEM) as tx:
            await claim(tx, JobKind("test", _never, lease_seconds=60), slots=1, claim_id=new_id())
            began = (await tx.execute(sa.text("SELECT now()"))).scalar_one()

        assert (await jobs.row(job_id))["claim_until"] == began + timedelta(seconds=60)

    @pytest.mark.parametrize("outcome", ["succeeded", "failed", "cancelled", "retried", "handed_back"])
    async def test_of_another_stands_against_every_ending(self, database, jobs, stale, outcome):
        before = await jobs.row(stale.id)

        async with database.transaction(as_user=Context.SYSTEM) as tx:
            written = await write_ending(tx, stale, Ending(outcome, result='"mine"'))

        assert not written
        assert await jobs.row(stale.id) == before

    async def test_of_another_stands_against_extending(self, database, jobs, stale):
        before = await jobs.row(stale.id)

        async with database.transaction(as_user=Context.SYSTEM) as tx:
            kept = await extend(tx, [Extension(stale.id, stale.claim, 600)])

        assert kept == {}
        assert await jobs.row(stale.id) == before

    async def test_of_another_stands_against_progress(self, database, jobs, stale):
        before = await jobs.row(stale.id)

        with pytest.raises(LeaseLost):
            await Control(database, stale).report(7)

        assert await jobs.row(stale.id) == before


class TestClaimPerUser:
    async def test_waits_for_another_that_counts_the_same_users_jobs(
        self, database, databases, jobs, user_id
    ):
        kind = JobKind("test", _never, per_user=1)
        other = databases("auth", "worker")

        async def claim_elsewhere():
            async with other.transaction(as_user=Context.SYSTEM) as tx:
                return await claim(tx, kind, slots=1, claim_id=new_id())

        await jobs.make(user_id=user_id)
        async with database.transaction(as_user=Context.SYSTEM) as tx:
            first = await claim(tx, kind, slots=1, claim_id=new_id())
            async with other.transaction(as_user=user_id) as adding:
                earlier = datetime.now(UTC) - timedelta(hours=1)
                await enqueue(adding, "test", dedupe_key="b", user_id=user_id, arguments={}, run_at=earlier)
            second = asyncio.create_task(claim_elsewhere())
            await throughout(lambda: not second.done(), seconds=0.2)

        assert len(first) == 1
        assert await second == []

    async def test_looks_past_any_number_of_jobs_of_a_user_who_has_enough(
        self, database, superuser, jobs, user_id
    ):
        kind = JobKind("test", _never, per_user=1)
        await superuser.execute(
            "insert into auth.jobs (id, kind, dedupe_key, user_id, arguments, max_attempts, run_at)"
            " select gen_random_uuid(), 'test', n, $1, '{}', 1, now() - interval '1 h'"
            " from generate_series(1, 600) n",
            user_id,
        )
        others = await jobs.make(user_id=new_id())

        async with database.transaction(as_user=Context.SYSTEM) as tx:
            first = await claim(tx, kind, slots=1, claim_id=new_id())
            second = await claim(tx, kind, slots=1, claim_id=new_id())

        assert [job.user_id for job in first] == [user_id]
        assert [job.id for job in second] == [others]


class TestLostLease:
    async def test_stops_the_body_and_writes_nothing(self, jobs, start, work):
        job_id = await jobs.make()
        running = start(JobKind("test", work))
        await eventually(lambda: work.begun)

        other = await jobs.take_away(job_id)

        await eventually(lambda: work.cancelled)
        await eventually(lambda: running.runner.running == 0)
        row = await jobs.row(job_id)
        assert (row["state"], row["claim"]) == ("running", other)

    async def test_is_noticed_without_the_database_when_the_lease_is_over(self, cut, jobs, start, work):
        seconds = 0.0
        job_id = await jobs.make()
        start(JobKind("test", work), on=cut, seconds=lambda: seconds)
        await eventually(lambda: work.begun)

        cut.away = True
        seconds += 120

        await eventually(lambda: work.cancelled)
        assert await jobs.state(job_id) == "running"

    async def test_stops_the_body_when_the_runner_itself_has_claimed_the_job_again(self, jobs, start, work):
        job_id = await jobs.make()
        # beats so seldom that only the new claim can tell
        start(JobKind("test", work, lease_seconds=900), beat_seconds=300.0)
        await eventually(lambda: work.begun)

        await jobs.expire(job_id)

        await eventually(lambda: work.cancelled == 1 and len(work.begun) == 2)
        work.may_end.set()
        assert (await jobs.ended(job_id, "succeeded"))["attempts"] == 2

    async def test_is_extended_for_as_long_as_the_body_runs(self, databases, jobs, start, work):
        job_id = await jobs.make()
        kind = JobKind("test", work, lease_seconds=0.4)
        for _ in range(2):
            start(kind, on=databases("auth", "worker"))
        await eventually(lambda: work.begun)

        await throughout(lambda: len(work.begun) == 1, seconds=1.0)
        work.may_end.set()

        assert (await jobs.ended(job_id, "succeeded"))["attempts"] == 1


class TestHold:
    async def test_keeps_others_from_claiming_until_the_effect_is_decided(
        self, database, databases, jobs, user_id
    ):
        job_id = await jobs.make(user_id=user_id)
        kind = JobKind("test", _never)
        async with database.transaction(as_user=Context.SYSTEM) as tx:
            [job] = await claim(tx, kind, slots=1, claim_id=new_id())
        other = databases("auth", "worker")

        async def claim_later():
            async with other.transaction(as_user=Context.SYSTEM) as tx:
                return await claim(tx, kind, slots=1, claim_id=new_id())

        await jobs.expire(job_id)
        async with database.transaction(as_user=user_id) as tx:
            await Control(database, job).hold(tx)
            assert await claim_later() == []

        assert len(await claim_later()) == 1

    async def test_does_not_stand_in_the_way_of_our_own_extension(self, database, databases, jobs, user_id):
        await jobs.make(user_id=user_id)
        async with database.transaction(as_user=Context.SYSTEM) as tx:
            [job] = await claim(tx, JobKind("test", _never), slots=1, claim_id=new_id())

        async with database.transaction(as_user=user_id) as tx, asyncio.timeout(10):
            await Control(database, job).hold(tx)
            async with databases("auth", "worker").transaction(as_user=Context.SYSTEM) as keeping:
                kept = await extend(keeping, [Extension(job.id, job.claim, 600)])

        assert kept == {(job.id, job.claim): Kept(extended=True, cancel_requested=False)}

    async def test_undoes_the_effect_of_a_run_that_has_lost_its_lease(self, database, superuser, stale):
        async def effect(tx):
            await tx.execute(_EFFECT, {"id": new_id(), "user_id": stale.user_id})
            await Control(database, stale).hold(tx)

        with pytest.raises(LeaseLost):
            await database.in_transaction(stale.as_user, effect)

        assert await superuser.fetchval("select count(*) from auth.audit_log") == 0


class TestProgress:
    async def test_never_goes_back(self, database, jobs):
        job_id = await jobs.make()
        async with database.transaction(as_user=Context.SYSTEM) as tx:
            [job] = await claim(tx, JobKind("test", _never), slots=1, claim_id=new_id())
        control = Control(database, job)

        await control.report(5, 10)
        await Control(database, replace(job, progress=None)).report(2, 10)

        assert (await jobs.row(job_id))["progress"] == '{"done": 5, "total": 10}'


class TestKilledWorker:
    async def test_its_job_is_taken_up_again_with_its_progress_and_has_one_effect(
        self, installation, database, superuser, jobs, start, user_id
    ):
        job_id = await jobs.make("hangs", user_id=user_id)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.integration.jobs.hanging_worker"),
            cwd=ROOT,
            env=installation.environment("auth", "worker") | {"PATH": os.environ["PATH"]},
        )
        await eventually(lambda: _progress(jobs, job_id), within=20)
        process.send_signal(signal.SIGKILL)
        await process.wait()
        seen = []

        async def body(job, control):
            seen.append((job.attempt, job.progress.done))
            async with database.transaction(as_user=job.as_user) as tx:
                await control.hold(tx)
                await tx.execute(_EFFECT, {"id": job.id, "user_id": job.user_id})
            await control.report(4, 4)

        await jobs.expire(job_id)
        start(JobKind("hangs", body))

        row = await jobs.ended(job_id, "succeeded")
        assert seen == [(2, 3)]
        assert row["progress"] == '{"done": 4, "total": 4}'
        assert await superuser.fetchval("select count(*) from auth.audit_log") == 1


async def _progress(jobs, job_id) -> bool:
    return (await jobs.row(job_id))["progress"] == '{"done": 3, "total": 4}'
