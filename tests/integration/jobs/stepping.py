"""Worker processes that are hit at a chosen step: each time that a task of their runner goes on is one.

    python -m tests.integration.jobs.stepping

A line `hit <blow> <step> <kind>` forks a worker of that kind, `wait` tells what became of each, `go on` wakes
those that were stopped and tells how they ended, `end` ends whoever is left. Forked: starting Python for
every step would take minutes.
"""

import asyncio
import gc
import json
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import psycopg
import sqlalchemy as sa
from pydantic_settings import BaseSettings, SettingsConfigDict

from common.ids import new_id
from common.jobs import JobKind, Runner
from common.postgres.context import Context
from common.postgres.engine import Database
from common.postgres.url import libpq_url
from common.settings import DatabaseSettings

PAGES = 2
UNHARMED, FAILED, HIT = 0, 1, 3
"""How a worker ends that no signal ended."""
_WARM = 3
_EFFECT = sa.text("""
    INSERT INTO audit_log (id, actor, action, user_id, data)
    VALUES (:id, 'job', 'effect', :user_id, jsonb_build_object('page', CAST(:page AS int)))
""")
_ASK = """
    BEGIN; SET LOCAL ROLE auth_system;
    UPDATE jobs SET cancel_requested_at = now() WHERE id IN (
        SELECT id FROM jobs WHERE kind = %(kind)s AND finished_at IS NULL FOR UPDATE NOWAIT);
    COMMIT;
"""


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_nested_delimiter="_", env_nested_max_split=1, extra="ignore")

    database: DatabaseSettings


class Steps:
    def __init__(self, wanted: int, blow: Callable[[], bool]) -> None:
        self._left = wanted
        self._blow = blow
        self.fell = False

    def begin(self) -> None:
        asyncio.get_running_loop().set_task_factory(
            lambda loop, coroutine, **options: asyncio.Task(_Stepping(coroutine, self), loop=loop, **options)
        )

    def take(self) -> None:
        """A blow that does not land (somebody holds the row) falls at the next step."""
        self._left -= 1
        if self._left > 0 or self.fell:
            return
        self.fell = True
        self.fell = self._blow()


class _Stepping(Coroutine[Any, Any, Any]):
    def __init__(self, coroutine: Any, steps: Steps) -> None:
        self._coroutine = coroutine
        self._steps = steps

    def send(self, value: Any) -> Any:
        self._steps.take()
        return self._coroutine.send(value)

    def throw(self, *error: Any) -> Any:
        self._steps.take()
        return self._coroutine.throw(*error)

    def close(self) -> None:
        self._coroutine.close()

    def __await__(self) -> Any:
        return self._coroutine.__await__()


def pages_of(database: Database) -> Any:
    """The body: each page has its effect and its checkpoint in one transaction."""

    async def body(job, control):
        for page in range(job.checkpoint.get("next", 0), PAGES):
            async with database.transaction(as_user=job.as_user) as tx:
                await tx.execute(_EFFECT, {"id": new_id(), "user_id": job.user_id, "page": page})
                await control.save(tx, page + 1, PAGES, checkpoint={"next": page + 1})
            control.check()
        return {"pages": PAGES}

    return body


async def work(settings: DatabaseSettings, blow: str, step: int, kind: str) -> bool:
    """Until the job has ended; whether the blow fell before."""
    database = Database(settings, service="auth", application_name="stepping")
    stop = asyncio.Event()

    def leave_when_done() -> None:
        if runner.running == 0:
            stop.set()

    runner = Runner(
        database,
        [JobKind(kind, pages_of(database))],
        poll_seconds=0.02,
        finish_seconds=0.0,
        on_turn=leave_when_done,
    )
    await _open_connections(database)
    with psycopg.connect(libpq_url(settings.url.get_secret_value()), autocommit=True) as asking:
        asking.prepare_threshold = None
        steps = Steps(step, _blow(blow, stop, lambda: running, asking, kind))
        steps.begin()
        running = asyncio.create_task(runner.run(stop))
        await asyncio.wait({running})
    await database.close()
    return steps.fell


def _blow(
    name: str, stop: asyncio.Event, running: Callable[[], Any], asking: psycopg.Connection[Any], kind: str
) -> Callable[[], bool]:
    def kill() -> bool:
        os.kill(os.getpid(), signal.SIGKILL)
        return True

    def pause() -> bool:
        os.kill(os.getpid(), signal.SIGSTOP)
        return True

    def cancel() -> bool:
        running().cancel()
        return True

    def leave() -> bool:
        stop.set()
        return True

    def ask() -> bool:
        try:
            asking.execute(_ASK.replace("%(kind)s", f"'{kind}'"))
        except psycopg.errors.LockNotAvailable:
            asking.execute("ROLLBACK")
            return False
        return True

    return {"kill": kill, "pause": pause, "cancel": cancel, "leave": leave, "ask": ask}[name]


async def _open_connections(database: Database) -> None:
    """Beforehand: how a connection comes about is not what is looked at here."""
    everybody = asyncio.Barrier(_WARM)

    async def open_one() -> None:
        async with database.transaction(as_user=Context.SYSTEM):
            await everybody.wait()

    await asyncio.gather(*(open_one() for _ in range(_WARM)))


def _fork(settings: DatabaseSettings, blow: str, step: int, kind: str) -> int:
    pid = os.fork()
    if pid:
        return pid
    quiet = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1):
        os.dup2(quiet, number)
    try:
        fell = asyncio.run(work(settings, blow, step, kind))
    except BaseException:  # noqa: BLE001 - this copy of the process must not go on as the first one
        os._exit(FAILED)
    os._exit(HIT if fell else UNHARMED)


def _state(status: int) -> str:
    if os.WIFSTOPPED(status):
        return "stopped"
    if os.WIFSIGNALED(status):
        return "killed"
    return {UNHARMED: "unharmed", HIT: "hit"}.get(os.WEXITSTATUS(status), "failed")


def _tell(states: dict[str, str]) -> None:
    sys.stdout.write(json.dumps(states) + "\n")
    sys.stdout.flush()


def _end(workers: dict[str, int]) -> None:
    for pid in workers.values():
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def main() -> None:
    settings = Settings().database
    # what is done for the first time, and what is looked through for garbage, is so here and in no copy
    asyncio.run(work(settings, "leave", 1, "nobody"))
    gc.freeze()
    workers: dict[str, int] = {}
    for line in sys.stdin:
        match line.split():
            case ["hit", blow, step, kind]:
                workers[kind] = _fork(settings, blow, int(step), kind)
            case ["wait"]:
                states = {kind: _state(os.waitpid(pid, os.WUNTRACED)[1]) for kind, pid in workers.items()}
                workers = {kind: pid for kind, pid in workers.items() if states[kind] == "stopped"}
                _tell(states)
            case ["go", "on"]:
                for pid in workers.values():
                    os.kill(pid, signal.SIGCONT)
                states = {kind: _state(os.waitpid(pid, 0)[1]) for kind, pid in workers.items()}
                _tell(states)
                workers = {}
            case ["end"]:
                _end(workers)
                workers = {}
                _tell({})
    _end(workers)


if __name__ == "__main__":
    main()
