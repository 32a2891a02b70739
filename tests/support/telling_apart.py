"""How well two sets of durations can be told apart by somebody who sees one at a time."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence


def auc(ones: Sequence[float], others: Sequence[float]) -> float:
    """How often one of these takes longer than one of those, or the other way round; 0.5 tells nothing."""
    ordered = sorted(others)
    wins = sum((bisect_left(ordered, one) + bisect_right(ordered, one)) / 2 for one in ones)
    share = wins / (len(ones) * len(ordered))
    return max(share, 1 - share)


def right_guesses(ones: Sequence[float], others: Sequence[float]) -> float:
    """The share of right guesses by the nearest of the durations that were learnt from: every second pair."""
    learnt = sorted([(one, True) for one in ones[::2]] + [(other, False) for other in others[::2]])
    asked = [(one, True) for one in ones[1::2]] + [(other, False) for other in others[1::2]]
    return sum(_nearest(learnt, took) == is_one for took, is_one in asked) / len(asked)


def _nearest(learnt: list[tuple[float, bool]], took: float) -> bool:
    at = bisect_left(learnt, (took, False))
    return min(learnt[max(0, at - 1) : at + 1], key=lambda one: abs(one[0] - took))[1]
