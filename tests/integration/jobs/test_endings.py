import asyncio
import math
from datetime import timedelta

import pytest

from common.errors import Kind, QuartetError, unavailable
from common.jobs import Backoff, JobKind
from tests.support.waiting import eventually


def failing(error):
    async def body(job, control):
        raise error

    return body


class TestRetrying:
    async def test_a_failure_that_passes_by_itself_is_tried_again(self, jobs, start):
        attempts = []

        async def body(job, control):
            attempts.append(job.attempt)
            if job.attempt < 3:
                raise unavailable("provider.down", "The provider is away.", retry_after_seconds=0)
            return "sent"

        job_id = await jobs.make()
        start(JobKind("test", body, backoff=Backoff(first_seconds=0.02)))

        row = await jobs.ended(job_id, "succeeded")

        assert attempts == [1, 2, 3]
        assert row["result"] == '"sent"'

    @pytest.mark.parametrize(
        ("error", "seconds"),
        [
            (RuntimeError("a bug"), 1.5),
            (unavailable("provider.down", "away", retry_after_seconds=90), 90),
        ],
    )
    async def test_waits_longer_than_the_backoff_only_when_told_to(
        self, jobs, start, superuser, error, seconds
    ):
        job_id = await jobs.make()
        made_at = (await jobs.row(job_id))["created_at"]
        start(
            JobKind("test", failing(error), backoff=Backoff(first_seconds=2)),
            chance=lambda: 0.5,
        )

        await eventually(lambda: _has_error(jobs, job_id))

        row = await jobs.row(job_id)
        failed_at = row["run_at"] - timedelta(seconds=seconds)
        assert (row["state"], row["attempts"]) == ("queued", 1)
        assert made_at < failed_at < await superuser.fetchval("select clock_timestamp()")

    async def test_ends_when_the_attempts_are_used_up(self, jobs, start):
        job_id = await jobs.make(max_attempts=2)
        start(JobKind("test", failing(ValueError("secret")), backoff=Backoff(first_seconds=0.01)))

        row = await jobs.ended(job_id, "failed")

        assert row["attempts"] == 2
        assert row["error"] == "internal: ValueError"

    async def test_takes_the_kinds_number_of_attempts_when_none_was_named(self, jobs, start):
        job_id = await jobs.make()
        backoff = Backoff(first_seconds=0.01)
        start(JobKind("test", failing(ValueError()), backoff=backoff, max_attempts=3))

        assert (await jobs.ended(job_id, "failed"))["attempts"] == 3

    async def test_does_not_repeat_what_would_fail_again(self, jobs, start):
        job_id = await jobs.make()
        error = QuartetError("mail.no_such_address", "There is no such address.", kind=Kind.INVALID)
        start(JobKind("test", failing(error)))

        row = await jobs.ended(job_id, "failed")

        assert row["attempts"] == 1
        assert row["error"] == "mail.no_such_address: There is no such address."

    async def test_an_error_that_quotes_half_a_character_is_stored(self, jobs, start):
        job_id = await jobs.make()
        start(JobKind("test", failing(QuartetError("provider.odd", "It said \ud83d.", kind=Kind.INVALID))))

        assert (await jobs.ended(job_id, "failed"))["error"] == "provider.odd: It said ?."

    async def test_ends_a_job_that_took_its_worker_along_in_every_attempt(self, jobs, start, work, superuser):
        job_id = await jobs.make(max_attempts=1)
        running = start(JobKind("test", work))
        await eventually(lambda: work.begun)
        await superuser.execute("update auth.jobs set claim_until = now() - interval '1 s', claim = id")

        await eventually(lambda: work.cancelled)

        row = await jobs.ended(job_id, "failed")
        assert row["error"].startswith("job.worker_lost")
        assert len(work.begun) == 1
        assert not running.task.done()

    async def test_a_body_that_cancels_itself_has_failed(self, jobs, start):
        job_id = await jobs.make(max_attempts=1)
        start(JobKind("test", failing(asyncio.CancelledError())))

        assert "from inside" in (await jobs.ended(job_id, "failed"))["error"]

    async def test_a_body_that_is_no_coroutine_function_has_failed(self, jobs, start):
        job_id = await jobs.make(max_attempts=1)
        start(JobKind("test", lambda: None))

        assert (await jobs.ended(job_id, "failed"))["error"] == "internal: TypeError"


class TestResult:
    @pytest.mark.parametrize(
        "result",
        ["a\x00b", {"k\x00": 1}, math.nan, {1, 2}, object(), "x" * 70_000, "\ud83d"],
        ids=["nul", "nul-in-key", "nan", "set", "object", "too-large", "half-a-pair"],
    )
    async def test_that_cannot_be_stored_fails_its_job_and_nothing_else(self, jobs, start, result):
        async def body(job, control):
            return result if job.dedupe_key == "bad" else "good"

        bad = await jobs.make(dedupe_key="bad")
        running = start(JobKind("test", body))
        row = await jobs.ended(bad, "failed")

        good = await jobs.make(dedupe_key="good")

        assert row["error"].startswith("job.result_not_storable")
        assert row["attempts"] == 1
        await jobs.ended(good, "succeeded")
        assert not running.task.done()

    async def test_that_the_database_refuses_fails_its_job_and_nothing_else(
        self, jobs, start, work, monkeypatch
    ):
        monkeypatch.setattr("common.jobs.verdicts.storable", lambda value, what: value)
        work.result = '"\\u0000"'
        work.may_end.set()
        bad = await jobs.make()
        running = start(JobKind("test", work))
        row = await jobs.ended(bad, "failed")

        work.result = '"good"'
        good = await jobs.make()

        assert row["error"].startswith("job.result_refused: database.bad_value")
        await jobs.ended(good, "succeeded")
        assert not running.task.done()


async def _has_error(jobs, job_id) -> bool:
    return (await jobs.row(job_id))["error"] is not None
