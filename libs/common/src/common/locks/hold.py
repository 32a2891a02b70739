"""What one acquisition may believe; it decides and asks nobody."""

_DRIFT = 0.01
"""The share of the time to live by which two clocks may disagree."""


class Hold:
    """Counts from before each question was sent: Redis never ends a lock earlier than its holder believes."""

    def __init__(self, ttl_seconds: float) -> None:
        self.ttl_seconds = ttl_seconds
        self.fence: int | None = None
        self._until = float("-inf")
        self.extend_at = float("inf")
        """When to ask for more time."""

    def granted(self, *, sent_at: float, fence: int) -> None:
        self.fence = fence
        self._until = sent_at + self.ttl_seconds * (1 - _DRIFT)
        self.extend_at = sent_at + self.ttl_seconds / 3

    def refused(self) -> None:
        self._until = float("-inf")

    def unanswered(self, now: float) -> None:
        self.extend_at = now + self.ttl_seconds / 10

    def held(self, now: float) -> bool:
        return now < self._until

    def may_extend(self, now: float) -> bool:
        """Not when it comes late: a loop that lags so much should lose the lock, not keep it."""
        return self.held(now) and now - self.extend_at <= self.ttl_seconds / 3
