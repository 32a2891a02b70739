"""Where the relay may begin to read: decided by who was writing, without a clock or a server.

Rows that were sent and deleted stay in the table while any transaction could still see them, and whoever
reads from the first row on walks past all of them. Positions are drawn before the commit, so the last that
was sent is no bound. But a writer locks the table before it draws, and keeps the lock until its commit can be
seen: once everybody who was writing when a position was known has ended, no row below it can appear.
"""

from collections.abc import Set as AbstractSet
from typing import Any


class Floor:
    """Nothing waits at or below `position`, and nothing can appear there."""

    def __init__(self) -> None:
        self.position = 0
        self.sent_up_to = 0
        self._mark = 0
        self._writers: AbstractSet[str] = frozenset()
        self._server: Any = None

    def on(self, server: Any) -> int:
        """For this run of the server; the next may draw positions again whose transactions were lost."""
        if server != self._server:
            self.__init__()
            self._server = server
        return self.position

    def sent(self, position: int) -> None:
        self.sent_up_to = max(self.sent_up_to, position)

    def swept(self, *, writers: AbstractSet[str], first: int | None) -> None:
        """`writers` have the table locked; `first` is the first row that was seen after asking for them."""
        if self._writers & writers:
            return
        self.position = self._mark if first is None else min(self._mark, first - 1)
        self._mark, self._writers = self.sent_up_to, writers
