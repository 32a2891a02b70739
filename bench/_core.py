"""Processes on one core, and the processor time that they take for a request."""

import os
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress

import asyncpg
import psutil

from tests.support.installation import Installation

_BACKENDS = """
    select pid from pg_stat_activity
    where datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid()
"""


@contextmanager
def held(pids: Sequence[int], core: int) -> Generator[None]:
    """On one core, with all their threads, and wherever they were before when it is over."""
    processes = [process for pid in pids for process in family(psutil.Process(pid))]
    before = [(process, process.cpu_affinity()) for process in processes]
    try:
        for process in processes:
            _hold(process, [core])
        yield
    finally:
        for process, cores in before:
            _hold(process, cores or [])


def family(process: psutil.Process) -> list[psutil.Process]:
    return [process, *process.children(recursive=True)]


def _hold(process: psutil.Process, cores: list[int]) -> None:
    """A thread keeps its own mask: each is told."""
    with suppress(psutil.NoSuchProcess, ProcessLookupError):
        for thread in process.threads():
            os.sched_setaffinity(thread.id, cores)


async def servers_of(installation: Installation, root: asyncpg.Connection) -> tuple[int, int]:
    """PostgreSQL's first process and PgBouncer."""
    postmaster = psutil.Process(await root.fetchval("select pg_backend_pid()")).ppid()
    url = installation.database_settings("auth", "api").url.get_secret_value()
    port = int(url.rpartition(":")[2].partition("/")[0])
    poolers = [
        one.pid
        for one in psutil.net_connections("tcp")
        if one.laddr and one.laddr.port == port and one.status == psutil.CONN_LISTEN and one.pid
    ]
    return postmaster, poolers[0]


class Spending:
    """By api, pooler and the backends of the bench's own database; what others have them do counts, too, for
    the pooler."""

    def __init__(self, root: asyncpg.Connection, api: int, pooler: int) -> None:
        self._root = root
        self._api = api
        self._pooler = pooler
        self._before: dict[str, dict[int, float]] = {}

    async def begin(self) -> None:
        self._before = await self._now()

    async def milliseconds(self, requests: int) -> dict[str, float]:
        """Since it began, for each request."""
        now = await self._now()
        return {
            who: round(1000 * _grown(now[who], before) / requests, 3) for who, before in self._before.items()
        }

    async def _now(self) -> dict[str, dict[int, float]]:
        backends = [row["pid"] for row in await self._root.fetch(_BACKENDS)]
        pids = {"api": [self._api], "pgbouncer": [self._pooler], "postgres": backends}
        return {who: {pid: _seconds(pid) for pid in these} for who, these in pids.items()}


def _seconds(pid: int) -> float:
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return times.user + times.system


def _grown(now: Mapping[int, float], before: Mapping[int, float]) -> float:
    """A backend that came meanwhile began at nothing; what one that went has spent is lost."""
    return sum(seconds - before.get(pid, 0.0) for pid, seconds in now.items())
