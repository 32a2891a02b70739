"""How much a relay takes at once and how long it rests: decided by what it met, without a clock."""

from dataclasses import dataclass

from common.messaging.backoff import Backoff, Chance

_KAFKA = Backoff(first_seconds=0.1, most_seconds=5.0)


@dataclass(frozen=True)
class PaceSettings:
    rows: int = 5_000
    poll_seconds: float = 0.25
    fastest_poll_seconds: float = 0.025
    """While hints do not arrive; it doubles once when nothing is found."""
    sweep_seconds: float = 10.0


class Pace:
    def __init__(self, settings: PaceSettings, chance: Chance) -> None:
        self._settings = settings
        self._chance = chance
        self._tried = 0
        self._empty = 0
        self._swept_at: float | None = None
        self.rows = settings.rows
        self.failures = 0
        """Of Kafka, in a row."""

    def tries(self, rows: int) -> None:
        self._tried = rows

    def sent(self) -> None:
        self.failures, self._empty = 0, 0
        self.rows = min(self._settings.rows, self.rows * 2)

    def found_nothing(self) -> None:
        self.failures = 0
        self._empty += 1

    def refused(self) -> float:
        """Seconds to wait. A batch that is too much for Kafka in its time would be so for ever: take half."""
        self.failures += 1
        self.rows = max(1, self._tried // 2)
        return _KAFKA.delay(self.failures, self._chance)

    def rest(self, *, hints_arrive: bool) -> float:
        if hints_arrive:
            return self._settings.poll_seconds
        return self._settings.fastest_poll_seconds * (1 if self._empty <= 1 else 2)

    def sweep_is_due(self, now: float) -> bool:
        return self._swept_at is None or now - self._swept_at >= self._settings.sweep_seconds

    def swept(self, now: float) -> None:
        self._swept_at = now
