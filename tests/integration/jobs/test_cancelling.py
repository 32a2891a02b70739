import asyncio

import pytest
import sqlalchemy as sa

from common.ids import new_id
from common.jobs import JobKind
from tests.support.waiting import eventually

_CANCEL = sa.text("UPDATE jobs SET cancel_requested_at = now() WHERE id = :id")


async def ask(database, job_id, as_user) -> int:
    async with database.transaction(as_user=as_user) as tx:
        return (await tx.execute(_CANCEL, {"id": job_id})).rowcount


class TestCancelling:
    async def test_a_waiting_job_ends_without_running(self, database, jobs, start, work, user_id):
        job_id = await jobs.make(user_id=user_id)
        await ask(database, job_id, user_id)

        start(JobKind("test", work))

        row = await jobs.ended(job_id, "cancelled")
        assert work.begun == []
        assert row["attempts"] == 0

    async def test_a_job_of_tomorrow_ends_today(self, database, jobs, start, work, user_id, superuser):
        job_id = await jobs.make(user_id=user_id)
        await superuser.execute("update auth.jobs set run_at = now() + interval '1 day'")
        await ask(database, job_id, user_id)

        start(JobKind("test", work))

        await jobs.ended(job_id, "cancelled")

    async def test_a_running_body_sees_it_and_may_stop_where_it_likes(self, database, jobs, start, user_id):
        begun = asyncio.Event()
        stopped_at = []

        async def body(job, control):
            begun.set()
            for page in range(100_000):
                await control.report(page)
                stopped_at.append(page)
                control.check()

        job_id = await jobs.make(user_id=user_id)
        start(JobKind("test", body))
        await begun.wait()

        await ask(database, job_id, user_id)

        row = await jobs.ended(job_id, "cancelled")
        assert row["finished_at"] is not None
        assert stopped_at

    async def test_a_body_that_does_not_look_is_stopped(self, database, jobs, start, work, user_id):
        job_id = await jobs.make(user_id=user_id)
        start(JobKind("test", work, cancel_grace_seconds=0.05))
        await eventually(lambda: work.begun)

        await ask(database, job_id, user_id)

        await jobs.ended(job_id, "cancelled")
        assert work.cancelled == 1

    async def test_a_body_that_swallows_being_stopped_is_stopped_again(self, database, jobs, start, user_id):
        begun, swallowed = asyncio.Event(), []

        async def body(job, control):
            begun.set()
            while True:
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    if swallowed:
                        raise
                    swallowed.append(job.id)

        job_id = await jobs.make(user_id=user_id)
        start(JobKind("test", body, cancel_grace_seconds=0.05))
        await begun.wait()

        await ask(database, job_id, user_id)

        await jobs.ended(job_id, "cancelled")
        assert swallowed == [job_id]

    async def test_a_result_that_was_ready_first_is_kept(self, database, jobs, start, work, user_id):
        job_id = await jobs.make(user_id=user_id)
        start(JobKind("test", work, cancel_grace_seconds=60), beat_seconds=30.0)
        await eventually(lambda: work.begun)
        await ask(database, job_id, user_id)

        work.may_end.set()

        await jobs.ended(job_id, "succeeded")

    @pytest.mark.parametrize("whose", ["somebody else's", "nobody's"])
    async def test_a_user_cancels_only_its_own(self, database, jobs, user_id, whose):
        job_id = await jobs.make(user_id=new_id() if whose == "somebody else's" else None)

        assert await ask(database, job_id, user_id) == 0
