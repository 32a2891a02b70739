from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.http.rate_limits import Limit, ProcessLimits

THREE = Limit("things", requests=3, seconds=60)


@dataclass
class Elapsed:
    microseconds: int = 5_000_000

    def __call__(self) -> int:
        return self.microseconds

    def seconds(self, seconds: float) -> None:
        self.microseconds += round(seconds * 1_000_000)


@pytest.fixture
def elapsed() -> Elapsed:
    return Elapsed()


@pytest.fixture
def limits(elapsed: Elapsed) -> ProcessLimits:
    return ProcessLimits(elapsed)


def allowed(limits: ProcessLimits, times: int, *, limit: Limit = THREE, key: str = "ada") -> list[bool]:
    return [limits.take(limit, key).allowed for _ in range(times)]


class TestALimit:
    def test_lets_a_window_s_worth_come_at_once(self, limits: ProcessLimits):
        assert allowed(limits, 5) == [True, True, True, False, False]

    def test_gives_one_back_with_every_interval(self, limits: ProcessLimits, elapsed: Elapsed):
        allowed(limits, 3)

        elapsed.seconds(20)

        assert allowed(limits, 2) == [True, False]

    def test_does_not_count_what_it_refused(self, limits: ProcessLimits, elapsed: Elapsed):
        allowed(limits, 100)

        elapsed.seconds(60)

        assert allowed(limits, 4) == [True, True, True, False]

    def test_never_makes_an_even_stream_wait(self, limits: ProcessLimits, elapsed: Elapsed):
        answers = []
        for _ in range(50):
            answers += allowed(limits, 1)
            elapsed.seconds(20)

        assert all(answers)

    def test_is_each_key_s_own(self, limits: ProcessLimits):
        allowed(limits, 3, key="ada")

        assert allowed(limits, 1, key="grace") == [True]

    def test_says_what_is_left_and_when(self, limits: ProcessLimits):
        first = limits.take(THREE, "ada")
        allowed(limits, 2)
        refused = limits.take(THREE, "ada")

        assert (first.remaining(THREE), first.reset_seconds()) == (2, 20)
        assert (refused.remaining(THREE), refused.reset_seconds()) == (0, 60)
        assert refused.retry_after_seconds(THREE) == 20

    def test_is_told_without_counting(self, limits: ProcessLimits):
        looked = [limits.look(THREE, "ada").allowed for _ in range(5)]

        assert all(looked)
        assert allowed(limits, 4) == [True, True, True, False]

    def test_is_moved_by_its_rate(self):
        assert THREE.moved_to("100/30") == Limit("things", requests=100, seconds=30.0)

    def test_waits_for_one_window_at_most_when_the_clock_was_put_back(
        self, limits: ProcessLimits, elapsed: Elapsed
    ):
        elapsed.seconds(3600)
        allowed(limits, 3)

        elapsed.seconds(-3600)

        assert limits.look(THREE, "ada").retry_after_seconds(THREE) <= 20


class TestAnyLimit:
    @given(
        st.integers(1, 20),
        st.floats(0.001, 100),
        st.lists(st.tuples(st.floats(0, 20), st.integers(1, 5)), max_size=40),
    )
    def test_never_lets_more_through_than_its_window_and_its_rate(
        self, requests: int, seconds: float, arrivals: list[tuple[float, int]]
    ):
        limit, elapsed = Limit("any", requests, seconds), Elapsed()
        limits, passed, began = ProcessLimits(elapsed), 0, elapsed()
        for pause, together in arrivals:
            elapsed.seconds(pause)
            passed += sum(allowed(limits, together, limit=limit))

        assert passed <= requests + (elapsed() - began) // limit.interval_us


class TestTheMemory:
    def test_is_bounded_and_forgets_who_was_quiet_for_longest(self, elapsed: Elapsed):
        limits = ProcessLimits(elapsed, most_keys=2)
        allowed(limits, 3, key="quiet")
        allowed(limits, 3, key="busy")
        allowed(limits, 1, key="quiet")

        allowed(limits, 1, key="new")

        assert len(limits) == 2
        assert allowed(limits, 1, key="quiet") == [False]
        assert allowed(limits, 1, key="busy") == [True]
