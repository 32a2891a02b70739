"""Which version of something is the present one, in Redis: enough to say "unchanged" without the database.

Numbers alone, no contents (ADR 0027). Whoever changes a row says so in its transaction (`changed`); the name
is forgotten after the commit and before anybody is answered. A version is learned only by who asked before
reading, and only while nobody has changed or emptied anything since.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, cast

import structlog
from prometheus_client import Counter
from redis.asyncio import Redis

from common.ids import NewId, new_id
from common.locks.circuit import Circuit

_log = structlog.get_logger("known_versions")

PATIENCE_SECONDS: Final = 0.05
"""How long a read waits for Redis; the database would have answered by then."""
FORGETTING_SECONDS: Final = 0.5
"""How long a change does: until Redis has heard of it, other processes may say "unchanged". Known to be away,
it is waited for no longer than by a read."""
READING_SECONDS: Final = 10.0
"""How long a reader may take from asking to learning; a slower one learns nothing."""
KEPT_SECONDS: Final = 30.0
UNTOLD_SECONDS: Final = READING_SECONDS + KEPT_SECONDS
"""After so long nothing that was there before a change can be there any more, told or not."""
_PAUSE_SECONDS = 0.25
_READING = "?"

_ASKED = Counter(
    "quartet_known_versions_total",
    "Conditional reads by what Redis knew of the version: known, unknown, or unanswered in time.",
    ["outcome"],
)

# What is free becomes the token's.
_TAKE = """
local found = {}
for at, key in ipairs(KEYS) do
    found[at] = redis.call('GET', key)
    if not found[at] then redis.call('SET', key, ARGV[1], 'PX', ARGV[2]) end
end
return found
"""

# What somebody else put there since, or nothing, is left as it is.
_LEARN = """
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
"""


@dataclass(frozen=True, slots=True)
class Look:
    """What was known of a name, or the right to say what it is."""

    name: str
    version: int | None = None
    token: str | None = None


class KnownVersions:
    """Never an error, and never a wait beyond the patience above: without Redis nothing is known."""

    def __init__(
        self,
        redis: Redis,
        *,
        prefix: str,
        patience_seconds: float = PATIENCE_SECONDS,
        forgetting_seconds: float = FORGETTING_SECONDS,
        now: Callable[[], float] = time.monotonic,
        new_id: NewId = new_id,
    ) -> None:
        self._redis = redis
        self._prefix = f"{prefix}version:"
        self._patience_seconds = patience_seconds
        self._forgetting_seconds = forgetting_seconds
        self._now = now
        self._new_id = new_id
        self._take, self._learn = (
            cast("Callable[..., Coroutine[Any, Any, Any]]", redis.register_script(script))
            for script in (_TAKE, _LEARN)
        )
        self._asking: list[tuple[str, asyncio.Future[Look]]] = []
        self._circuit = Circuit()
        self._untold: dict[str, float] = {}
        """Names that Redis could not be told of, and until when it matters: here they are not asked about."""
        self._telling: asyncio.Task[Any] | None = None
        self._background: set[asyncio.Task[Any]] = set()

    async def look(self, name: str) -> Look:
        if name in self._untold or not self._circuit.allows(self._now()):
            _ASKED.labels("unanswered").inc()
            return Look(name)
        if not self._asking:
            self._in_background(self._ask())
        answer: asyncio.Future[Look] = asyncio.get_running_loop().create_future()
        self._asking.append((name, answer))
        return await answer

    def learn(self, look: Look, version: int) -> None:
        """`version` was read after the look; nobody waits for Redis to take it."""
        if look.token is not None:
            arguments = [look.token, version, int(KEPT_SECONDS * 1000)]
            self._in_background(self._learn(keys=[self._prefix + look.name], args=arguments))
        elif look.version is not None and look.version != version:
            self._in_background(self.forget((look.name,)))

    async def forget(self, names: Collection[str]) -> None:
        """Once they are committed, and before anybody is told; goes on by itself when Redis is away."""
        until = self._now() + UNTOLD_SECONDS
        untold = dict.fromkeys(names, until)
        self._untold.update(untold)
        try:
            # asked even while the circuit is open: others may have learned since Redis is back
            known_away = not self._circuit.allows(self._now())
            patience = self._patience_seconds if known_away else self._forgetting_seconds
            if await self._answered(self._in_background(self._unlink(names)), within_seconds=patience):
                self._drop(untold.items())
        finally:
            if self._untold and (self._telling is None or self._telling.done()):
                self._telling = self._in_background(self._tell())

    async def close(self) -> None:
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)

    async def _ask(self) -> None:
        """For all who came since this was begun: to ask costs much more than to be told of one name more."""
        asking, self._asking = self._asking, []
        token = f"{_READING}{self._new_id()}"
        keys = [self._prefix + name for name, _ in asking]
        asked = self._in_background(self._take(keys=keys, args=[token, int(READING_SECONDS * 1000)]))
        looks = [Look(name) for name, _ in asking]
        try:
            if await self._answered(asked, within_seconds=self._patience_seconds):
                looks = [
                    _found(name, found, token)
                    for (name, _), found in zip(asking, asked.result(), strict=True)
                ]
            else:
                _ASKED.labels("unanswered").inc(len(asking))
        finally:
            for (_, answer), look in zip(asking, looks, strict=True):
                if not answer.done():
                    answer.set_result(look)

    async def _tell(self) -> None:
        await asyncio.sleep(_PAUSE_SECONDS)
        while self._untold:
            told = self._untold.copy()
            with suppress(Exception):
                await self._unlink(told)
                self._drop(told.items())
            now = self._now()
            self._drop([(name, until) for name, until in self._untold.items() if until <= now])
            await asyncio.sleep(_PAUSE_SECONDS)

    def _drop(self, told: Collection[tuple[str, float]]) -> None:
        """Not those that were changed again meanwhile."""
        for name, until in told:
            if self._untold.get(name) == until:
                del self._untold[name]

    async def _unlink(self, names: Collection[str]) -> None:
        await self._redis.unlink(*(self._prefix + name for name in names))

    async def _answered(self, asked: asyncio.Task[Any], *, within_seconds: float) -> bool:
        """False: too late, or an error. The question goes on: its answer may still be of use to others."""
        await asyncio.wait((asked,), timeout=within_seconds)
        if asked.done() and not asked.cancelled() and asked.exception() is None:
            self._circuit.succeeded()
            return True
        if self._circuit.failed(self._now()):
            _log.warning("known_versions.redis_away")
        return False

    def _in_background(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._background.discard(task)
        if not task.cancelled():
            task.exception()  # looked at: an answer that nobody waits for may be an error


def _found(name: str, found: bytes | str | None, token: str) -> Look:
    _ASKED.labels("unknown" if found is None else "known").inc()
    if found is None:
        return Look(name, token=token)
    text = found.decode() if isinstance(found, bytes) else found
    # somebody else is reading it now
    return Look(name) if text.startswith(_READING) else Look(name, version=int(text))
