"""All parts of a stack: started in the order of their needs, stopped in reverse, restarted alone."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Iterable, Sequence
from pathlib import Path
from typing import Any

from quartet_cli.stack.part import Part
from quartet_cli.supervisor import output
from quartet_cli.supervisor.keeper import BackOff, Keeper, State
from quartet_cli.supervisor.order import all_needs, in_order
from quartet_cli.supervisor.orphans import reap_orphans
from quartet_cli.supervisor.ports import complaint
from quartet_cli.supervisor.processes import tree_bytes
from quartet_cli.supervisor.records import Done, Records

STATUS_QUESTION_SECONDS = 2.0
SWEEP_SECONDS = 2.0
GOOD = frozenset({State.READY, State.DONE})

Event = dict[str, Any]


class RefusedError(Exception):
    """The request cannot be carried out; the text says why and what to do."""


class Supervisor:
    def __init__(self, parts: Sequence[Part], state: Path, *, back_off: BackOff | None = None) -> None:
        records, done = Records(state), Done(state)
        self._all_needs = all_needs(in_order(parts))
        self.keepers = {
            part.name: Keeper(
                part,
                records=records,
                done=done,
                needs=lambda part=part: self._wait_for(part.needs),
                all_needs=sorted(self._all_needs[part.name]),
                changed=self._tell,
                back_off=back_off or BackOff(),
            )
            for part in in_order(parts)
        }
        self.ended = asyncio.Event()
        self._listeners: set[asyncio.Queue[Event]] = set()
        self._turn = asyncio.Lock()
        self._closing = False
        self._down: asyncio.Task[None] | None = None

    async def up(self) -> list[str]:
        """Everything runs when this returns an empty list; else the names of what did not come up."""
        async with self._turn:
            stale = [name for name, keeper in self.keepers.items() if not keeper.is_current()]
            self._refuse_when_closing()
            idle = [self.keepers[name].part for name in stale if self.keepers[name].child is None]
            taken = complaint(idle)
            if taken:
                raise RefusedError(taken)
            await self._stop([name for name in stale if self._has_begun(name)])
            self._start(stale)
        return await self._settled(self.keepers)

    async def restart(self, names: Sequence[str]) -> list[str]:
        """These parts anew, the others untouched; without names, everything that is a process."""
        chosen = self._choose(names)
        async with self._turn:
            self._refuse_when_closing()
            await self._stop(chosen)
            self._start(chosen)
        return await self._settled(chosen)

    async def down(self) -> None:
        """Stops everything, whatever else is going on; a second one waits for the first."""
        self._closing = True
        if self._down is None:
            self._down = asyncio.create_task(self._stop(list(self.keepers)))
        await asyncio.shield(self._down)
        self.ended.set()

    async def status(self, *, memory: bool = False) -> list[Event]:
        """Memory is counted for whoever shows it: to look through every process takes its time."""
        described = (self._describe(keeper, memory=memory) for keeper in self.keepers.values())
        return list(await asyncio.gather(*described))

    @contextlib.asynccontextmanager
    async def events(self) -> AsyncGenerator["asyncio.Queue[Event]"]:
        """What is so now, then every change."""
        queue: asyncio.Queue[Event] = asyncio.Queue()
        for keeper in self.keepers.values():
            if keeper.state is not State.STOPPED:
                queue.put_nowait(_event(keeper) | {"past": True})
        self._listeners.add(queue)
        try:
            yield queue
        finally:
            self._listeners.discard(queue)

    async def tend(self) -> None:
        """Keeps logs within their limit and reaps what dead parts left to us; runs until cancelled."""
        suspects: set[int] = set()
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            for keeper in self.keepers.values():
                output.limit(keeper.part.log)
            suspects = reap_orphans(self._pids(), suspects)

    def _pids(self) -> set[int]:
        return {keeper.child.identity.pid for keeper in self.keepers.values() if keeper.child is not None}

    def _refuse_when_closing(self) -> None:
        if self._closing:
            raise RefusedError("the stack is being taken down")

    def _choose(self, names: Sequence[str]) -> list[str]:
        """`auth` means the processes of auth, `auth-api` only that one."""
        if not names:
            return [name for name, keeper in self.keepers.items() if not keeper.part.one_shot]
        chosen: set[str] = set()
        for name in names:
            found = {name} & self.keepers.keys() or {
                one
                for one, keeper in self.keepers.items()
                if one.startswith(f"{name}-") and not keeper.part.one_shot
            }
            if not found:
                raise RefusedError(f"there is no part {name}; there are: {', '.join(self.keepers)}")
            chosen |= found
        return [name for name in self.keepers if name in chosen]

    def _has_begun(self, name: str) -> bool:
        """Started anew without a stop, a part would run twice, and once known to nobody."""
        return self.keepers[name].is_kept() or self.keepers[name].child is not None

    def _start(self, names: Iterable[str]) -> None:
        if self._closing:
            return
        chosen = [self.keepers[name] for name in names]
        # First none of them counts as ready, then each waits for the others that it needs.
        for keeper in chosen:
            keeper.satisfied.clear()
        for keeper in chosen:
            keeper.start()

    async def _stop(self, names: Sequence[str]) -> None:
        """Each part after those that need it; parts that do not know each other together."""
        stopped = {name: asyncio.Event() for name in names}

        async def stop(name: str) -> None:
            needing = [one for one in names if name in self._all_needs[one]]
            for one in needing:
                await stopped[one].wait()
            try:
                await self.keepers[name].stop()
            finally:
                stopped[name].set()

        await asyncio.gather(*(stop(name) for name in names))

    async def _wait_for(self, names: Iterable[str]) -> None:
        for name in names:
            await self.keepers[name].satisfied.wait()

    async def _settled(self, names: Iterable[str]) -> list[str]:
        chosen = [self.keepers[name] for name in names]
        async with self.events() as changes:
            while not self._closing and any(self._may_still_come(keeper) for keeper in chosen):
                await changes.get()
        return [keeper.part.name for keeper in chosen if keeper.state not in GOOD]

    def _may_still_come(self, keeper: Keeper) -> bool:
        if keeper.state is State.WAITING:
            return not self._is_blocked(keeper)
        return keeper.state not in GOOD | {State.FAILED, State.STOPPED}

    def _is_blocked(self, keeper: Keeper) -> bool:
        needed = [self.keepers[name] for name in keeper.part.needs]
        return any(
            one.state in {State.FAILED, State.STOPPED}
            or (one.state is State.WAITING and self._is_blocked(one))
            for one in needed
        )

    async def _describe(self, keeper: Keeper, *, memory: bool) -> Event:
        state = str(keeper.state)
        if keeper.state is State.READY:
            try:
                async with asyncio.timeout(STATUS_QUESTION_SECONDS):
                    state = state if await keeper.answers() else "unready"
            except TimeoutError:
                state = "unready"
        pid = keeper.child.identity.pid if keeper.child else None
        return {
            "name": keeper.part.name,
            "state": state,
            "pid": pid,
            "url": keeper.part.url,
            "probe_url": keeper.part.probe_url,
            "rss_bytes": tree_bytes(pid) if pid and memory else None,
            "crashes": keeper.crashes,
            "reason": keeper.reason,
            "log": str(keeper.part.log),
        }

    def _tell(self, keeper: Keeper) -> None:
        for queue in self._listeners:
            queue.put_nowait(_event(keeper))


def _event(keeper: Keeper) -> Event:
    return {
        "event": "part",
        "name": keeper.part.name,
        "state": str(keeper.state),
        "seconds": round(time.monotonic() - keeper.started_at, 3),
        "reason": keeper.reason,
    }
