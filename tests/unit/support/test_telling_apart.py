import random

import pytest

from tests.support.telling_apart import auc, right_guesses


def drawn(seed: int, middle: float) -> list[float]:
    rng = random.Random(seed)
    return [rng.gauss(middle, 1) for _ in range(4000)]


class TestTellingApart:
    def test_what_is_the_same_cannot_be(self):
        ones, others = drawn(1, 10), drawn(2, 10)

        assert auc(ones, others) < 0.52
        assert right_guesses(ones, others) < 0.53

    def test_what_takes_longer_can_be_either_way(self):
        ones, others = drawn(1, 10), drawn(2, 20)

        assert auc(ones, others) == auc(others, ones) == 1
        assert right_guesses(ones, others) == pytest.approx(1)

    def test_two_humps_around_one_show_in_guesses_though_not_on_average(self):
        ones, others = drawn(1, 0) + drawn(2, 40), drawn(3, 20) + drawn(4, 20)

        assert auc(ones, others) < 0.52
        assert right_guesses(ones, others) > 0.95
