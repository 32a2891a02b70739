from dataclasses import dataclass
from typing import Final

from profile_service.domain.fields import FIELDS, Values

COMPLETE: Final = 100


@dataclass(frozen=True)
class Completeness:
    score: int
    missing: tuple[str, ...]
    """Pointers, those that count most first."""


def completeness(values: Values) -> Completeness:
    missing = [one for one in FIELDS if one.weight and values[one.column] is None]
    missing.sort(key=lambda one: -one.weight)
    return Completeness(COMPLETE - sum(one.weight for one in missing), tuple(one.pointer for one in missing))
