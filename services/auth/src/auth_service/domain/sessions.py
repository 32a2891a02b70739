from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class SessionLimits:
    idle: timedelta = timedelta(days=30)
    """A session that is not refreshed for so long ends."""
    absolute: timedelta = timedelta(days=180)
    """A session ends at last, however busy it is."""
    most: int = 50
    """A user's sessions; one more ends the oldest."""

    def expires_at(self, now: datetime, *, ends_at: datetime) -> datetime:
        return min(now + self.idle, ends_at)


@dataclass(frozen=True, slots=True)
class Device:
    """What a request tells of where it comes from."""

    user_agent: str | None
    network: str | None
    """A prefix, not an address: enough to recognise a place, too little to find a person."""
