from datetime import UTC, datetime

import pytest

from common.errors import Kind, QuartetError, unavailable
from common.ids import new_id
from common.jobs import Backoff, Job, JobCancelled, JobKind, LeaseLost
from common.jobs.endings import Ending
from common.jobs.verdicts import Raised, Returned, Stop, WasCancelled, verdict

_SENTENCE = "internal: the body was cancelled from inside"


async def _never(job, control):
    raise AssertionError


KIND = JobKind("mail", _never, backoff=Backoff(first_seconds=8))


def job(attempt: int = 1) -> Job:
    return Job(
        id=new_id(),
        kind="mail",
        dedupe_key="m1",
        user_id=None,
        arguments={},
        attempt=attempt,
        max_attempts=3,
        progress=None,
        created_at=datetime(2026, 11, 22, tzinfo=UTC),
        claim=new_id(),
    )


def decided(body, stop=None, *, attempt=1) -> Ending | None:
    return verdict(body, stop, job=job(attempt), kind=KIND, chance=0.5)


class TestVerdict:
    @pytest.mark.parametrize("stop", [None, Stop.CANCELLED, Stop.STOPPING])
    def test_keeps_a_result_that_was_ready_whatever_was_asked_meanwhile(self, stop):
        assert decided(Returned({"sent": 1}), stop) == Ending("succeeded", result='{"sent":1}')

    @pytest.mark.parametrize(
        "body", [Returned(1), Raised(RuntimeError()), Raised(JobCancelled()), WasCancelled()]
    )
    def test_writes_nothing_of_a_run_that_has_lost_its_lease(self, body):
        assert decided(body, Stop.LOST) is None

    @pytest.mark.parametrize("stop", [None, *Stop])
    def test_writes_nothing_when_the_body_says_that_the_lease_is_lost(self, stop):
        assert decided(Raised(LeaseLost()), stop) is None

    @pytest.mark.parametrize("body", [WasCancelled(), Raised(unavailable("database.unavailable", "away"))])
    def test_hands_back_what_a_leaving_worker_stopped_however_it_came_out(self, body):
        assert decided(body, Stop.STOPPING) == Ending("handed_back")

    @pytest.mark.parametrize(
        ("body", "stop"),
        [
            (WasCancelled(), Stop.CANCELLED),
            (Raised(ConnectionError()), Stop.CANCELLED),
            (Raised(JobCancelled()), None),
            (Raised(JobCancelled()), Stop.STOPPING),
        ],
    )
    def test_ends_a_cancelled_job(self, body, stop):
        assert decided(body, stop) == Ending("cancelled")

    def test_tries_again_after_what_passes_by_itself_in_its_own_time(self):
        away = unavailable("provider.down", "away", retry_after_seconds=90)

        assert decided(Raised(ValueError())) == Ending(
            "retried", error="internal: ValueError", wait_seconds=6
        )
        assert decided(Raised(away)) == Ending("retried", error="provider.down: away", wait_seconds=90)
        assert decided(WasCancelled()) == Ending("retried", error=_SENTENCE, wait_seconds=6)

    @pytest.mark.parametrize("body", [Raised(ValueError()), WasCancelled()])
    def test_fails_when_the_attempts_are_used_up(self, body):
        ending = decided(body, attempt=3)

        assert ending is not None
        assert ending.outcome == "failed"

    def test_fails_at_once_what_another_run_would_meet_again(self):
        refused = QuartetError("mail.refused", "no such address", kind=Kind.INVALID)

        for stop in (None, Stop.CANCELLED, Stop.STOPPING):
            ending = decided(Raised(refused), stop)
            assert ending == Ending("failed", error="mail.refused: no such address")
