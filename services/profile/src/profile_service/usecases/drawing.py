from typing import Final

from common.bounded_threads import BoundedThreads
from common.errors import QuartetError, unavailable
from profile_service.domain.pictures import avatar_of

AT_ONCE: Final = 1
WAITING: Final = 4


class Drawing:
    """Pictures are unpacked and drawn beside the event loop, a bounded number at once; others are refused."""

    def __init__(self) -> None:
        self._threads = BoundedThreads("drawing", at_once=AT_ONCE, waiting=WAITING, busy=drawing_busy)

    async def draw(self, content: bytes, *, media_type: str) -> bytes:
        return await self._threads.run(avatar_of, content, media_type=media_type)

    def close(self) -> None:
        self._threads.close()


def drawing_busy() -> QuartetError:
    return unavailable("avatar.busy", "Too many pictures are waiting to be drawn.", retry_after_seconds=2)
