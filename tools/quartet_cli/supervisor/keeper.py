"""Keeps one part running: after its needs, with its readiness, again after a crash, until it is stopped."""

import asyncio
import time
import traceback
from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum

from quartet_cli.stack.part import Part
from quartet_cli.supervisor.child import Child, how_it_ended
from quartet_cli.supervisor.output import append, rotate, tail
from quartet_cli.supervisor.ports import complaint
from quartet_cli.supervisor.records import Done, Record, Records


class State(StrEnum):
    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"
    DONE = "done"
    RESTARTING = "restarting"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"


class PartFailedError(Exception):
    """This start came to nothing; `final` when another try cannot go better."""

    def __init__(self, reason: str, *, final: bool = False) -> None:
        super().__init__(reason)
        self.final = final


class BackOff:
    """Doubles from half a second to half a minute; a part that held out for a minute begins anew."""

    first_seconds = 0.5
    longest_seconds = 30.0
    healthy_seconds = 60.0

    def pause(self, failures: int) -> float:
        return min(self.longest_seconds, self.first_seconds * 2 ** max(0, failures - 1))


FIRST_TRIES = 3
LAST_LINES = 5
QUESTION_SECONDS = 5.0
PREPARE_SECONDS = 900.0
SHORTEST_PAUSE, LONGEST_PAUSE = 0.05, 0.5


class Keeper:
    def __init__(
        self,
        part: Part,
        *,
        records: Records,
        done: Done,
        needs: Callable[[], Awaitable[None]],
        all_needs: Sequence[str],
        changed: Callable[["Keeper"], None],
        back_off: BackOff,
    ) -> None:
        self.part = part
        self.state = State.STOPPED
        self.reason = ""
        self.crashes = 0
        self.child: Child | None = None
        self.satisfied = asyncio.Event()
        self.started_at = time.monotonic()
        self.fingerprint: str | None = None
        self._records = records
        self._done = done
        self._needs = needs
        self._all_needs = tuple(all_needs)
        self._changed = changed
        self._back_off = back_off
        self._task: asyncio.Task[None] | None = None
        self._log_start = 0

    def is_kept(self) -> bool:
        return self._task is not None and not self._task.done()

    def is_current(self) -> bool:
        """False when `up` has work here: it does not run, or what it is made from has changed."""
        if self.part.one_shot:
            known = self.part.fingerprint is not None
            return self.is_kept() or (known and self.state is State.DONE and self._is_done())
        # What waits to start looks at its inputs when it does.
        return self.is_kept() and (
            self.part.fingerprint is None
            or self.state in {State.WAITING, State.RESTARTING}
            or self.part.fingerprint() == self.fingerprint
        )

    def _is_done(self) -> bool:
        return self.part.fingerprint is not None and self._done.holds(self.part.name, self.part.fingerprint())

    def start(self) -> None:
        """Returns at once; `state` and `satisfied` tell how it goes."""
        self.satisfied.clear()
        self.crashes = 0
        self._show(State.WAITING)
        rotate(self.part.log)
        self._task = asyncio.create_task(self._keep(), name=f"keep {self.part.name}")

    async def stop(self) -> None:
        """Nothing of it runs when this returns."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        self.satisfied.clear()
        if self.child is not None:
            self._show(State.STOPPING)
            await self._end_child()
        if self.state is not State.STOPPED:
            self._show(State.STOPPED)

    async def _keep(self) -> None:
        failures = 0
        was_ready = False
        while True:
            await self._needs()
            try:
                await self._start()
                was_ready = True
                if self.part.one_shot:
                    return
                held_out, reason = await self._until_it_ends()
                failures = 1 if held_out > self._back_off.healthy_seconds else failures + 1
                self.crashes += 1
            except PartFailedError as failure:
                await self._end_child()
                failures += 1
                reason = str(failure)
                # What ran once will run again: a slow machine or a taken port passes by itself.
                if not was_ready and (failure.final or failures >= FIRST_TRIES):
                    self._show(State.FAILED, reason)
                    return
            self.satisfied.clear()
            self._show(State.RESTARTING, reason)
            await asyncio.sleep(min(self._back_off.pause(failures), self.part.longest_pause_seconds))

    async def _start(self) -> None:
        self.started_at = time.monotonic()
        fingerprint = self.fingerprint = self._made_from()
        if self.part.one_shot and fingerprint and self._done.holds(self.part.name, fingerprint):
            self._succeed(State.DONE)
            return
        taken = complaint([self.part])
        if taken:
            raise PartFailedError(taken, final=self.crashes == 0)
        self._show(State.STARTING)
        await self._prepare()
        try:
            async with asyncio.timeout(self.part.ready_seconds):
                if self.part.command:
                    self._spawn()
                    await (self._until_exit() if self.part.one_shot else self._until_ready())
        except TimeoutError:
            what = "done" if self.part.one_shot else "ready"
            raise PartFailedError(
                self._told(f"was not {what} after {self.part.ready_seconds:g} s"), final=True
            ) from None
        if self.part.one_shot and fingerprint:
            self._done.put(self.part.name, fingerprint)
        self._succeed(State.DONE if self.part.one_shot else State.READY)

    def _made_from(self) -> str | None:
        try:
            return self.part.fingerprint() if self.part.fingerprint else None
        except OSError as error:
            raise PartFailedError(f"what it is made from could not be read: {error}") from error

    async def _prepare(self) -> None:
        self._log_start = self.part.log.stat().st_size if self.part.log.exists() else 0
        if self.part.prepare is None:
            return
        try:
            async with asyncio.timeout(PREPARE_SECONDS):
                await self.part.prepare()
        except TimeoutError as error:
            raise PartFailedError("its preparation, or a step of it, did not end in time") from error
        except Exception as error:
            append(self.part.log, traceback.format_exc())
            raise PartFailedError(f"could not be prepared: {error}", final=self.part.one_shot) from error

    def _spawn(self) -> None:
        try:
            self.child = Child.spawn(self.part)
        except OSError as error:
            raise PartFailedError(f"could not be started: {error}", final=True) from error
        self._record()

    def _record(self) -> None:
        if self.child is not None:
            stop = (int(self.part.stop_signal), self.part.stop_seconds)
            self._records.put(Record(self.part.name, self.child.identity, *stop, needs=self._all_needs))

    async def _until_exit(self) -> None:
        assert self.child is not None  # noqa: S101 - spawned in the line before
        code = await asyncio.shield(self.child.exited)
        self._forget_child()
        if code != 0:
            raise PartFailedError(self._told(how_it_ended(code)), final=True)

    async def _until_ready(self) -> None:
        child = self.child
        assert child is not None  # noqa: S101 - spawned in the line before
        pause = SHORTEST_PAUSE
        while not child.exited.done():
            if await self.answers():
                child.refresh_identity()
                self._record()
                return
            await asyncio.wait({child.exited}, timeout=pause)
            pause = min(LONGEST_PAUSE, pause * 1.3)
        self._forget_child()
        raise PartFailedError(self._told(how_it_ended(child.exited.result()) + " before it was ready"))

    async def answers(self) -> bool:
        """Asks the part itself; a process without a question is ready when it runs."""
        if self.part.ready is None:
            return True
        try:
            async with asyncio.timeout(QUESTION_SECONDS):
                return await self.part.ready()
        except Exception:  # noqa: BLE001 - whatever goes wrong in asking, the answer is: not yet
            return False

    async def _until_it_ends(self) -> tuple[float, str]:
        if self.child is None:
            await asyncio.Event().wait()
            return 0.0, ""
        code = await asyncio.shield(self.child.exited)
        self._forget_child()
        return time.monotonic() - self.started_at, self._told(how_it_ended(code))

    async def _end_child(self) -> None:
        if self.child is not None:
            await self.child.stop(self.part.stop_signal, self.part.stop_seconds)
            self._forget_child()

    def _forget_child(self) -> None:
        self.child = None
        self._records.drop(self.part.name)

    def _told(self, what: str) -> str:
        """What happened, then the last lines that it wrote in this life."""
        return "\n".join([what, *tail(self.part.log, LAST_LINES, start=self._log_start)])

    def _succeed(self, state: State) -> None:
        self._show(state)
        self.satisfied.set()

    def _show(self, state: State, reason: str = "") -> None:
        self.state, self.reason = state, reason
        self._changed(self)
