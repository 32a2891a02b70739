import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from common.errors import QuartetError, unavailable
from profile_service.domain.pictures import avatar_of


class Drawing:
    """Pictures are unpacked and drawn beside the event loop, a bounded number at once; others are refused."""

    def __init__(self, *, at_once: int = 1, waiting: int = 4, draw: Callable[..., bytes] = avatar_of) -> None:
        self._draw = draw
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="drawing")
        self._most = at_once + waiting
        self._taken = 0

    async def draw(self, content: bytes, *, media_type: str) -> bytes:
        if self._taken >= self._most:
            raise drawing_busy()
        loop = asyncio.get_running_loop()
        self._taken += 1
        future = self._threads.submit(self._draw, content, media_type=media_type)
        # a caller who went away frees the place only when the thread is done with the picture
        future.add_done_callback(lambda _: self._free_soon(loop))
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _free_soon(self, loop: asyncio.AbstractEventLoop) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(self._free)

    def _free(self) -> None:
        self._taken -= 1


def drawing_busy() -> QuartetError:
    return unavailable("avatar.busy", "Too many pictures are waiting to be drawn.", retry_after_seconds=2)
