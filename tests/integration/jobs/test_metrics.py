from datetime import UTC, datetime, timedelta

from common.jobs import JobKind
from common.jobs.counting import count_unfinished
from common.postgres.context import Context
from common.telemetry.metrics import REGISTRY
from tests.support.waiting import eventually


def figure(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


class TestMetrics:
    async def test_tell_how_many_wait_and_for_how_long(self, jobs, database):
        await jobs.make("measured", run_at=datetime.now(UTC) - timedelta(minutes=5))
        await jobs.make("measured")

        async with database.transaction(as_user=Context.SYSTEM) as tx:
            await count_unfinished(tx)

        assert figure("quartet_jobs_unfinished", kind="measured", state="queued") == 2
        assert 300 <= figure("quartet_jobs_oldest_due_seconds", kind="measured") < 400

    async def test_are_counted_by_a_runner(self, jobs, start, work):
        await jobs.make("counted_by_itself", run_at=datetime.now(UTC) + timedelta(hours=1))

        start(JobKind("test", work))

        await eventually(
            lambda: figure("quartet_jobs_unfinished", kind="counted_by_itself", state="queued") == 1
        )

    async def test_tell_what_runs_and_how_it_ended(self, jobs, start, work):
        job_id = await jobs.make("watched")
        start(JobKind("watched", work))

        await eventually(lambda: figure("quartet_jobs_running", kind="watched") == 1)
        work.may_end.set()
        await jobs.ended(job_id, "succeeded")

        await eventually(lambda: figure("quartet_jobs_ended_total", kind="watched", outcome="succeeded") == 1)
        assert figure("quartet_jobs_running", kind="watched") == 0
        assert figure("quartet_job_run_seconds_count", kind="watched") == 1
