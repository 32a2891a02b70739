import asyncio
from collections import Counter
from datetime import timedelta

import sqlalchemy as sa

from common.clock import utc_now
from common.ids import new_id
from common.jobs import JobKind
from tests.support.waiting import eventually, throughout

_EFFECT = sa.text(
    "INSERT INTO audit_log (id, actor, action, user_id) VALUES (:id, 'job', 'effect', :user_id)"
)


class TestRunner:
    async def test_a_job_has_one_effect_however_many_runners_look_for_it(
        self, databases, database, superuser, jobs, start
    ):
        async def body(job, control):
            async with database.transaction(as_user=job.as_user) as tx:
                await tx.execute(_EFFECT, {"id": new_id(), "user_id": job.user_id})
            return {"attempt": job.attempt}

        for _ in range(30):
            await jobs.make(user_id=new_id())
        for _ in range(3):
            start(JobKind("test", body), on=databases("auth", "worker"))

        await eventually(lambda: _is(jobs.count("succeeded"), 30))
        assert await superuser.fetchval("select count(*) from auth.audit_log") == 30
        assert await superuser.fetchval("select sum(attempts) from auth.jobs") == 30

    async def test_keeps_what_the_body_returned(self, jobs, start, work):
        work.result = {"sent": ["ä"]}
        work.may_end.set()
        job_id = await jobs.make()
        start(JobKind("test", work))

        row = await jobs.ended(job_id, "succeeded")

        assert row["result"] == '{"sent": ["ä"]}'
        assert row["claim"] is None
        assert row["finished_at"] is not None

    async def test_is_woken_by_a_commit_long_before_its_poll(self, databases, jobs, start, work):
        wake = asyncio.Event()
        work.may_end.set()
        start(JobKind("test", work), wake=wake, poll_seconds=600.0)
        await throughout(lambda: not work.begun, seconds=0.1)

        job_id = await jobs.make()
        wake.set()

        await jobs.ended(job_id, "succeeded")

    async def test_rests_after_a_wake_and_can_be_stopped_meanwhile(self, jobs, start, work):
        wake, turns = asyncio.Event(), []
        running = start(
            JobKind("test", work),
            wake=wake,
            poll_seconds=600.0,
            gather_seconds=600.0,
            on_turn=lambda: turns.append(1),
        )
        await eventually(lambda: turns)

        await jobs.make()
        wake.set()

        await throughout(lambda: not work.begun, seconds=0.3)
        async with asyncio.timeout(5.0):
            await running.stop()

    async def test_gives_a_place_that_was_freed_to_the_next_at_once(self, jobs, start, work):
        work.may_end.set()
        for _ in range(3):
            await jobs.make()
        start(JobKind("test", work, concurrency=1), poll_seconds=600.0, gather_seconds=600.0)

        await eventually(lambda: _is(jobs.count("succeeded"), 3))

    async def test_starts_a_job_at_its_time_and_not_before(self, jobs, start, work):
        work.may_end.set()
        start(JobKind("test", work), poll_seconds=600.0, wake=(wake := asyncio.Event()))
        job_id = await jobs.make(run_at=utc_now() + timedelta(seconds=0.5))
        wake.set()

        row = await jobs.ended(job_id, "succeeded")

        assert row["finished_at"] >= row["run_at"]

    async def test_leaves_a_kind_alone_that_it_does_not_know(self, jobs, start, work):
        work.may_end.set()
        unknown = await jobs.make("from-a-newer-release")
        known = await jobs.make("test")
        start(JobKind("test", work))

        await jobs.ended(known, "succeeded")

        assert await jobs.state(unknown) == "queued"

    async def test_runs_at_most_so_many_of_a_kind_at_once(self, jobs, start, work):
        for _ in range(5):
            await jobs.make()
        start(JobKind("test", work, concurrency=2))

        await eventually(lambda: len(work.begun) == 2)
        await throughout(lambda: len(work.begun) == 2, seconds=0.3)
        work.may_end.set()

        await eventually(lambda: _is(jobs.count("succeeded"), 5))

    async def test_runs_at_most_so_many_of_a_user_at_once_over_all_runners(
        self, databases, jobs, start, user_id
    ):
        now, most = Counter(), Counter()

        async def body(job, control):
            now[job.user_id] += 1
            most[job.user_id] = max(most[job.user_id], now[job.user_id])
            await asyncio.wait({asyncio.create_task(control.report(1))})
            now[job.user_id] -= 1

        for _ in range(12):
            await jobs.make(user_id=user_id)
        other = new_id()
        last = await jobs.make(user_id=other)
        for _ in range(3):
            start(JobKind("test", body, per_user=1), on=databases("auth", "worker"))

        await jobs.ended(last, "succeeded")
        await eventually(lambda: _is(jobs.count("succeeded"), 13))
        assert most == {user_id: 1, other: 1}

    async def test_a_user_with_many_jobs_does_not_keep_others_waiting(self, jobs, start, work, user_id):
        for _ in range(5):
            await jobs.make(user_id=user_id)
        await jobs.make(user_id=(other := new_id()))
        start(JobKind("test", work, per_user=1, concurrency=4))

        await eventually(lambda: len(work.begun) == 2)

        assert {job.user_id for job in work.begun} == {user_id, other}
        work.may_end.set()

    async def test_waits_for_a_database_that_is_away(self, cut, jobs, start, work):
        work.may_end.set()
        cut.away = True
        start(JobKind("test", work), on=cut)
        job_id = await jobs.make()
        await throughout(lambda: not work.begun, seconds=0.2)

        cut.away = False

        await jobs.ended(job_id, "succeeded")

    async def test_writes_the_result_when_the_database_is_back(self, cut, jobs, start, work):
        work.result = "kept"
        running = start(JobKind("test", work), on=cut)
        job_id = await jobs.make()
        await eventually(lambda: work.begun)

        cut.away = True
        work.may_end.set()
        await throughout(lambda: not running.task.done(), seconds=0.3)
        cut.away = False

        row = await jobs.ended(job_id, "succeeded")
        assert row["result"] == '"kept"'
        assert len(work.begun) == 1


class TestStopping:
    async def test_lets_a_body_finish_that_ends_in_time(self, jobs, start, work):
        job_id = await jobs.make()
        running = start(JobKind("test", work), finish_seconds=5.0)
        await eventually(lambda: work.begun)

        stopping = asyncio.create_task(running.stop())
        work.may_end.set()
        await stopping

        assert await jobs.state(job_id) == "succeeded"
        assert work.cancelled == 0

    async def test_hands_back_what_does_not_and_counts_no_attempt(self, jobs, start, work):
        job_id = await jobs.make()
        running = start(JobKind("test", work))
        await eventually(lambda: work.begun)

        await running.stop()

        row = await jobs.row(job_id)
        assert (row["state"], row["attempts"], row["claim"]) == ("queued", 0, None)
        assert work.cancelled == 1

    async def test_claims_nothing_any_more(self, jobs, start, work):
        running = start(JobKind("test", work))
        await running.stop()

        job_id = await jobs.make()

        assert await jobs.state(job_id) == "queued"
        assert running.runner.running == 0

    async def test_a_cancelled_runner_hands_back_too(self, jobs, start, work):
        job_id = await jobs.make()
        running = start(JobKind("test", work))
        await eventually(lambda: work.begun)

        await running.cancel()

        assert await jobs.state(job_id) == "queued"

    async def test_is_over_in_a_bounded_time_when_a_body_will_not_stop(self, jobs, start, monkeypatch):
        monkeypatch.setattr("common.jobs.runner._BODY_END_SECONDS", 0.2)
        release = asyncio.Event()
        begun = asyncio.Event()

        async def deaf(job, control):
            begun.set()
            while not release.is_set():
                try:
                    await release.wait()
                except asyncio.CancelledError:
                    continue

        job_id = await jobs.make()
        running = start(JobKind("test", deaf))
        await begun.wait()

        async with asyncio.timeout(10):
            await running.stop()

        assert await jobs.state(job_id) == "running"
        release.set()


async def _is(counted, expected: int) -> bool:
    found = await counted
    assert found == expected
    return True
