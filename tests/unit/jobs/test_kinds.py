import pytest

from common.errors import Kind, QuartetError, unavailable
from common.jobs.kinds import Backoff
from common.jobs.verdicts import ERROR_LENGTH, passes_by_itself, sentence_about


class TestBackoff:
    def test_doubles_with_each_attempt_up_to_its_longest(self):
        backoff = Backoff(first_seconds=2, longest_seconds=10)

        waits = [backoff.delay_seconds(attempt, chance=1.0) for attempt in (1, 2, 3, 4, 400)]

        assert waits == [2, 4, 8, 10, 10]

    def test_chance_spreads_it_over_half(self):
        backoff = Backoff(first_seconds=8)

        assert backoff.delay_seconds(1, chance=0.0) == 4
        assert backoff.delay_seconds(1, chance=0.5) == 6


class TestPassesByItself:
    @pytest.mark.parametrize(
        "error", [unavailable("provider.down", "away"), RuntimeError("a bug"), TimeoutError(), OSError()]
    )
    def test_what_may_go_better_next_time_does(self, error):
        assert passes_by_itself(error)

    @pytest.mark.parametrize("kind", [Kind.INVALID, Kind.NOT_FOUND, Kind.FORBIDDEN, Kind.CONFLICT])
    def test_what_another_run_would_meet_again_does_not(self, kind):
        assert not passes_by_itself(QuartetError("mail.refused", "no such address", kind=kind))


class TestSentenceAbout:
    def test_is_our_own_code_and_detail_without_what_cannot_be_stored(self):
        error = QuartetError("mail.refused", "no\x00 such address " + "x" * 999, kind=Kind.INVALID)

        sentence = sentence_about(error)

        assert sentence.startswith("mail.refused: no such address")
        assert len(sentence) == ERROR_LENGTH

    def test_of_others_errors_is_the_class_alone(self):
        assert sentence_about(ValueError("password=hunter2")) == "internal: ValueError"
