"""What both stores have in common: names, patience, and one error for whatever is wrong with the storage."""

import asyncio
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, Literal, TypeVar

import structlog
from prometheus_client import Histogram

from common.errors import QuartetError, unavailable

T = TypeVar("T")
Act = Literal["put", "get", "delete", "list"]

STORAGE_CODE: Final = "storage.unavailable"
RETRY_SECONDS: Final = 5
_THREADS: Final = 4
_PART: Final = r"[a-z0-9][a-z0-9._-]{0,127}"
_NAME: Final = re.compile(rf"{_PART}(/{_PART}){{0,7}}")
_PREFIX: Final = re.compile(rf"({_PART}/){{1,7}}")
_SECONDS: Final = Histogram(
    "quartet_storage_seconds",
    "Time that one use of the storage of files took, by whether it went well.",
    ["act", "outcome"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
_log = structlog.get_logger("storage")


class StorageError(Exception):
    """In the operator's words, without secrets."""


class Blobs(ABC):
    """Whole files of a few megabytes at most; `storage.unavailable` for whatever is wrong with the storage.

    Work is done in threads, whichever store: files have no other way, and a client in Rust whose futures end
    in a loop of Python aborts the process now and then when it ends.
    """

    def __init__(self, *, timeout_seconds: float) -> None:
        self._timeout = timeout_seconds
        # of its own: a disk that hangs does not keep others from looking up names of hosts
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="blobs")
        self.trouble: str | None = None
        """What was wrong when it was used last."""

    async def put(self, name: str, content: bytes) -> None:
        """All of it or nothing is seen, whoever else puts the same name; it outlives a crash."""
        await self._bounded("put", partial(self._put, _checked(name, _NAME), content))

    async def get(self, name: str) -> bytes | None:
        return await self._bounded("get", partial(self._get, _checked(name, _NAME)))

    async def delete(self, name: str) -> None:
        """Of one that is not there, too."""
        await self._bounded("delete", partial(self._delete, _checked(name, _NAME)))

    async def names(self, prefix: str) -> list[str]:
        """All below a folder, `avatars/` for example; in order."""
        return sorted(await self._bounded("list", partial(self._names, _checked(prefix, _PREFIX))))

    def close(self) -> None:
        """What runs may end by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    @abstractmethod
    def _put(self, name: str, content: bytes) -> None: ...

    @abstractmethod
    def _get(self, name: str) -> bytes | None: ...

    @abstractmethod
    def _delete(self, name: str) -> None: ...

    @abstractmethod
    def _names(self, prefix: str) -> list[str]: ...

    async def _bounded(self, act: Act, work: Callable[[], T]) -> T:
        began = time.perf_counter()
        try:
            async with asyncio.timeout(self._timeout):
                done = await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except TimeoutError:
            raise self._failed(act, began, f"no answer within {self._timeout:g} s") from None
        except StorageError as error:
            raise self._failed(act, began, str(error)) from None
        self.trouble = None
        _SECONDS.labels(act, "done").observe(time.perf_counter() - began)
        return done

    def _failed(self, act: Act, began: float, words: str) -> QuartetError:
        self.trouble = words
        _SECONDS.labels(act, "failed").observe(time.perf_counter() - began)
        _log.warning("storage.failed", act=act, cause=words)
        return unavailable(
            STORAGE_CODE,
            "The storage of files does not answer at the moment.",
            retry_after_seconds=RETRY_SECONDS,
        )


def _checked(name: str, pattern: re.Pattern[str]) -> str:
    """Names are made by code, never by callers: one of another form is a mistake, and leads nowhere."""
    if pattern.fullmatch(name) is None:
        raise ValueError(f"{name!r} is no name of a blob")
    return name
