import asyncpg
import pytest
import sqlalchemy as sa

from common.errors import QuartetError
from common.ids import new_id
from common.jobs import JobKind, enqueue
from common.postgres.context import Context
from common.telemetry.tracing import continue_trace, span

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class TestEnqueue:
    async def test_stores_the_job_in_the_transaction_of_its_cause(self, database, jobs, user_id):
        async def fails(tx):
            await enqueue(tx, "test", dedupe_key="a", user_id=user_id, arguments={})
            raise RuntimeError

        with pytest.raises(RuntimeError):
            await database.in_transaction(user_id, fails)

        assert await jobs.count("queued") == 0

    async def test_an_unfinished_job_of_the_kind_and_key_absorbs_another(self, jobs, user_id):
        first = await jobs.make(dedupe_key="mail-1", user_id=user_id, arguments={"n": 1})
        second = await jobs.make(dedupe_key="mail-1", user_id=user_id, arguments={"n": 2})

        assert first == second
        assert await jobs.count("queued") == 1

    async def test_a_finished_job_makes_room_for_the_next(self, jobs, start, work):
        work.may_end.set()
        first = await jobs.make(dedupe_key="mail-1")
        start(JobKind("test", work))
        await jobs.ended(first, "succeeded")

        second = await jobs.make(dedupe_key="mail-1")

        await jobs.ended(second, "succeeded")
        assert first != second

    async def test_a_user_may_add_jobs_for_itself_and_nobody_else(self, database, jobs, user_id):
        await jobs.make(user_id=user_id)

        for other in (new_id(), None):
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
                async with database.transaction(as_user=user_id) as tx:
                    await enqueue(tx, "test", dedupe_key="b", user_id=other, arguments={})

        assert await jobs.count("queued") == 1

    async def test_a_user_cannot_write_what_runners_write(self, database, jobs, user_id):
        await jobs.make(user_id=user_id)

        with pytest.raises(sa.exc.DBAPIError, match="permission denied"):
            async with database.transaction(as_user=user_id) as tx:
                await tx.execute(sa.text("UPDATE jobs SET max_attempts = 1000"))

    async def test_the_job_continues_the_trace_of_its_cause(self, database, jobs, start):
        seen = []

        async def body(job, control):
            seen.append(job.trace)

        with span("cause", parent=continue_trace({"traceparent": TRACEPARENT})):
            job_id = await jobs.make()
        start(JobKind("test", body))

        await jobs.ended(job_id, "succeeded")
        assert seen[0].split("-")[1] == TRACEPARENT.split("-")[1]

    async def test_arguments_that_cannot_be_stored_are_refused_by_name(self, database):
        with pytest.raises(QuartetError, match=r"job\.arguments_not_storable"):
            async with database.transaction(as_user=Context.SYSTEM) as tx:
                await enqueue(tx, "test", dedupe_key="c", user_id=None, arguments={"text": "a\x00"})

    async def test_the_commit_wakes_the_runners_of_its_own_process(self, databases, user_id):
        woken = []
        database = databases("auth", "worker", on_commit=woken.append)

        async with database.transaction(as_user=user_id) as tx:
            await enqueue(tx, "test", dedupe_key="d", user_id=user_id, arguments={})
            assert woken == []

        assert woken == [("jobs",)]
