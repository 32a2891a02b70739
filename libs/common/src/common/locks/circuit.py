class Circuit:
    """After some failures in a row nobody asks for a while; then one may try for all."""

    def __init__(self, *, failures: int = 3, open_seconds: float = 1.0) -> None:
        self._most = failures
        self._open_seconds = open_seconds
        self._failures = 0
        self._closed_again_at = float("-inf")

    def allows(self, now: float) -> bool:
        if self._failures < self._most:
            return True
        if now < self._closed_again_at:
            return False
        self._closed_again_at = now + self._open_seconds
        return True

    def succeeded(self) -> None:
        self._failures = 0

    def failed(self, now: float) -> bool:
        """True when this failure opened it."""
        self._failures += 1
        self._closed_again_at = now + self._open_seconds
        return self._failures == self._most
