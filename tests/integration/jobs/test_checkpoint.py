import asyncio
import json
from dataclasses import replace

import pytest
import sqlalchemy as sa

from common.errors import QuartetError, unavailable
from common.ids import new_id
from common.jobs import Backoff, Control, Job, JobKind, LeaseLost
from common.jobs.claiming import Extension, claim, extend
from common.postgres.context import Context
from tests.support.waiting import eventually

_EFFECT = sa.text(
    "INSERT INTO audit_log (id, actor, action, user_id) VALUES (:id, 'job', 'effect', :user_id)"
)
_WHO = sa.text("SELECT current_setting('role'), current_setting('app.user_id')")


async def _never(job, control):
    raise AssertionError


@pytest.fixture
async def job(database, jobs, user_id) -> Job:
    """Claimed by us."""
    await jobs.make(user_id=user_id)
    async with database.transaction(as_user=Context.SYSTEM) as tx:
        [claimed] = await claim(tx, JobKind("test", _never), slots=1, claim_id=new_id())
    return claimed


async def stored(jobs, job: Job) -> dict[str, object]:
    return json.loads((await jobs.row(job.id))["progress"])


class TestCheckpoint:
    async def test_is_there_exactly_when_the_effect_is(self, database, superuser, jobs, job):
        control = Control(database, job)

        async def effect(tx, done):
            await tx.execute(_EFFECT, {"id": new_id(), "user_id": job.user_id})
            await control.save(tx, done, 3, checkpoint={"page": done})

        async def effect_and_failure(tx):
            await effect(tx, 2)
            raise RuntimeError

        await database.in_transaction(job.as_user, lambda tx: effect(tx, 1))
        with pytest.raises(RuntimeError):
            await database.in_transaction(job.as_user, effect_and_failure)

        assert await stored(jobs, job) == {"done": 1, "total": 3, "checkpoint": {"page": 1}}
        assert await superuser.fetchval("select count(*) from auth.audit_log") == 1

    async def test_leaves_the_transaction_as_it_was_the_users(self, database, job):
        async with database.transaction(as_user=job.as_user) as tx:
            await Control(database, job).save(tx, 1, checkpoint={})

            assert (await tx.execute(_WHO)).one() == ("auth_user", str(job.user_id))

    async def test_undoes_the_effect_of_a_run_that_has_lost_its_lease(self, database, superuser, jobs, job):
        async def effect(tx):
            await tx.execute(_EFFECT, {"id": new_id(), "user_id": job.user_id})
            await Control(database, job).save(tx, 1, checkpoint={"page": 1})

        await jobs.take_away(job.id)
        with pytest.raises(LeaseLost):
            await database.in_transaction(job.as_user, effect)

        assert await superuser.fetchval("select count(*) from auth.audit_log") == 0
        assert (await jobs.row(job.id))["progress"] is None

    async def test_never_goes_back(self, database, jobs, job):
        async def save(control, done):
            async with database.transaction(as_user=job.as_user) as tx:
                await control.save(tx, done, checkpoint={"page": done})

        await save(Control(database, job), 5)
        await save(Control(database, replace(job, progress=None)), 2)

        assert await stored(jobs, job) == {"done": 5, "total": None, "checkpoint": {"page": 5}}

    async def test_stays_when_a_report_follows(self, database, jobs, job):
        control = Control(database, job)
        async with database.transaction(as_user=job.as_user) as tx:
            await control.save(tx, 5, checkpoint={"page": 5})

        await control.report(6, 9)

        assert await stored(jobs, job) == {"done": 6, "total": 9, "checkpoint": {"page": 5}}

    async def test_that_cannot_be_stored_is_refused_by_name(self, database, job):
        with pytest.raises(QuartetError, match=r"job\.checkpoint_not_storable"):
            async with database.transaction(as_user=job.as_user) as tx:
                await Control(database, job).save(tx, 1, checkpoint={"text": "a\x00"})

    async def test_is_where_the_next_run_goes_on(self, database, superuser, jobs, start, user_id):
        begun_at = []

        async def body(job, control):
            first = job.checkpoint.get("next", 0)
            begun_at.append(first)
            for page in range(first, 4):
                async with database.transaction(as_user=job.as_user) as tx:
                    await tx.execute(_EFFECT, {"id": new_id(), "user_id": job.user_id})
                    await control.save(tx, page + 1, 4, checkpoint={"next": page + 1})
                if page == 1:
                    raise unavailable("provider.down", "away", retry_after_seconds=0)

        job_id = await jobs.make(user_id=user_id)
        start(JobKind("test", body, backoff=Backoff(first_seconds=0.01)))

        await jobs.ended(job_id, "succeeded")
        assert begun_at == [0, 2]
        assert await superuser.fetchval("select count(*) from auth.audit_log") == 4

    async def test_that_is_not_committed_yet_holds_up_no_other_lease(
        self, database, databases, jobs, job, superuser
    ):
        other_id = await jobs.make()
        async with database.transaction(as_user=Context.SYSTEM) as tx:
            [other] = await claim(tx, JobKind("test", _never), slots=1, claim_id=new_id())
        assert other.id == other_id
        wanted = [Extension(one.id, one.claim, 600) for one in (job, other)]
        until = [(await jobs.row(one.id))["claim_until"] for one in (job, other)]

        async with database.transaction(as_user=job.as_user) as tx, asyncio.timeout(10):
            await Control(database, job).save(tx, 1, checkpoint={})
            async with databases("auth", "worker").transaction(as_user=Context.SYSTEM) as keeping:
                kept = await extend(keeping, wanted)

        assert [kept[one.id, one.claim].extended for one in (job, other)] == [False, True]
        now_until = [(await jobs.row(one.id))["claim_until"] for one in (job, other)]
        assert now_until[0] == until[0]
        assert now_until[1] > until[1]


class TestReport:
    async def test_tells_a_body_that_its_lease_is_lost(self, jobs, start):
        lost = asyncio.Event()

        async def body(job, control):
            await jobs.take_away(job.id)
            try:
                await control.report(1)
            except LeaseLost:
                lost.set()
                raise

        await jobs.make()
        running = start(JobKind("test", body), beat_seconds=30.0)

        await eventually(lost.is_set)
        await eventually(lambda: running.runner.running == 0)
