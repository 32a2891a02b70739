from tests.guards.guard import Guard

_LOCKS = "tests/integration/locks"
_CLAIMS = "tests/integration/claims"

LOCKING = (
    Guard(
        "the owner check in the lock's script: nobody releases another's lock",
        "locks/script.py",
        "if holder and holder ~= owner then",
        "if holder and holder ~= owner and question ~= 'release' then",
        f"{_LOCKS}/test_lock.py::TestALock::test_that_is_another_s_by_now_is_not_released",
    ),
    Guard(
        "a lock that has lost its end is given one",
        "locks/script.py",
        "    if left < 0 then\n",
        "    if false then\n",
        f"{_LOCKS}/test_lock.py::TestWaiting::test_ends_when_the_lock_has_lost_its_end",
    ),
    Guard(
        "who lost a lock does not take it again by extending it",
        "locks/script.py",
        "    if question == 'extend' then\n        return {0, 0}\n    end\n",
        "",
        f"{_LOCKS}/test_lock.py::TestALock::test_that_was_lost_is_not_taken_again_by_extending_it",
    ),
    Guard(
        "a lock's life is counted from before the question",
        "locks/lock.py",
        "self._hold.granted(sent_at=sent_at, ",
        "self._hold.granted(sent_at=self._now(), ",
        f"{_LOCKS}/test_lost_reply.py::TestASlowReply"
        "::test_makes_nobody_believe_in_more_time_than_redis_gave",
    ),
    Guard(
        "who owns the lock already is told yes: a lost reply costs nothing",
        "locks/script.py",
        "if holder and holder ~= owner then",
        "if holder and (holder ~= owner or question == 'acquire') then",
        f"{_LOCKS}/test_lost_reply.py::TestALostReply::test_of_taking_the_lock_leaves_it_with_who_took_it",
    ),
    Guard(
        "a process whose loop lags loses its lock",
        "locks/hold.py",
        " and now - self.extend_at <= self.ttl_seconds / 3",
        "",
        "tests/unit/locks/test_hold.py::TestAHold::test_is_not_extended_by_one_who_comes_late",
    ),
    Guard(
        "the circuit: a Redis that is stopped costs a few callers their patience",
        "locks/asking.py",
        "if self._circuit.allows(self._now()):",
        "if self._now() is not None:",
        f"{_LOCKS}/test_redis_away.py::TestRedisThatWasStopped"
        "::test_costs_a_few_callers_their_patience_and_then_nobody",
    ),
    Guard(
        "one who leaves while he waits for a lock lets go of what he may have got",
        "locks/lock.py",
        "BaseException:\n            self._asking.in_background(self._let_go())\n",
        "BaseException:\n",
        f"{_LOCKS}/test_cancellation.py::TestCancellation::test_wherever_it_comes_leaves_no_lock_behind",
    ),
    Guard(
        "WHERE claim =: a result is written by whoever holds the claim",
        "claims.py",
        "WHERE {self._key} = :key AND claim = :claim AND version = :version",
        "WHERE {self._key} = :key AND version = :version",
        f"{_CLAIMS}/test_claims.py::TestFinishing::test_under_a_claim_that_was_taken_over_writes_nothing",
    ),
    Guard(
        "a claim is taken on the version that was seen",
        "claims.py",
        "                WHERE {key} = :key AND version = :version\n",
        "                WHERE {key} = :key AND version >= :version\n",
        f"{_CLAIMS}/test_claims.py::TestAClaim::test_is_taken_on_the_version_that_was_seen",
    ),
    Guard(
        "a claim that stands is not taken over",
        "claims.py",
        "(state = :held AND claim_until <= clock_timestamp())",
        "(state = :held)",
        f"{_CLAIMS}/test_claims.py::TestAClaim::test_has_one_holder",
    ),
    Guard(
        "one who leaves while he works gives his claim up",
        "once.py",
        "CancelledError:\n            self._in_background(self._give_up(work, attempt))\n",
        "CancelledError:\n",
        f"{_CLAIMS}/test_once.py::TestCancellation::test_wherever_it_comes_leaves_no_claim_and_no_lock",
    ),
    Guard(
        "one who leaves does not end the work of the others",
        "single_flight.py",
        "if not flight.waiting and not flight.task.done():",
        "if not flight.task.done():",
        "tests/unit/single_flight/test_single_flight.py::TestSingleFlight"
        "::test_that_one_leaves_goes_on_for_the_others",
    ),
)
