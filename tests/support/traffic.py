"""Steady load whose every accepted piece is remembered, so that it can be asked for afterwards."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import httpx
import sqlalchemy as sa

from common.errors import QuartetError
from common.ids import new_id
from common.messaging.backoff import elapses
from common.messaging.outbox import record
from common.postgres.engine import Database
from quartet_cli.stack import Stack
from tests.support.factories import user_registered
from tests.support.gateway import SECRETS
from tests.support.tls import client_context
from tests.support.waiting import eventually

PASSWORD = "correct horse battery staple"
MOST_AT_ONCE = 12
PATIENCE_SECONDS = 30.0


class Registrations:
    """New addresses at the gateway, at a steady rate; addresses begin alike, so that they can be counted."""

    def __init__(self, stack: Stack, *, per_second: float = 8.0) -> None:
        self.prefix = f"load-{uuid4().hex[:12]}-"
        self.accepted: list[str] = []
        self.answers: Counter[str] = Counter()
        self._stack = stack
        self._pause = 1 / per_second
        self._under_way: set[asyncio.Task[None]] = set()

    @property
    def ended(self) -> int:
        return self.answers.total()

    async def more(self, number: int) -> None:
        """So many further attempts have ended, well or not."""
        wanted = self.ended + number
        await eventually(lambda: self.ended >= wanted, within=PATIENCE_SECONDS)

    async def accepted_more(self, number: int) -> None:
        wanted = len(self.accepted) + number
        await eventually(lambda: len(self.accepted) >= wanted, within=PATIENCE_SECONDS)

    @asynccontextmanager
    async def flowing(self) -> AsyncGenerator["Registrations"]:
        stop = asyncio.Event()
        limits = httpx.Limits(max_connections=MOST_AT_ONCE, max_keepalive_connections=MOST_AT_ONCE)
        async with httpx.AsyncClient(
            base_url=self._stack.gateway_url,
            verify=client_context(self._stack),
            trust_env=False,
            timeout=20,
            limits=limits,
        ) as client:
            run = asyncio.create_task(self._run(client, stop))
            try:
                yield self
            finally:
                stop.set()
                await run

    async def _run(self, client: httpx.AsyncClient, stop: asyncio.Event) -> None:
        number = 0
        while await elapses(self._pause, unless=stop):
            if len(self._under_way) < MOST_AT_ONCE:
                number += 1
                task = asyncio.create_task(self._register(client, f"{self.prefix}{number}@example.org"))
                self._under_way.add(task)
                task.add_done_callback(self._under_way.discard)
        await asyncio.gather(*self._under_way)

    async def _register(self, client: httpx.AsyncClient, email: str) -> None:
        SECRETS.add(PASSWORD)
        body = {"email": email, "password": PASSWORD, "full_name": "Ada Lovelace"}
        try:
            answer = await client.post("/api/v1/auth/register", json=body)
        except httpx.TransportError as error:
            self.answers[type(error).__name__] += 1
            return
        if answer.status_code == 202:
            self.accepted.append(email)
            self.answers["202"] += 1
        else:
            self.answers[f"{answer.status_code} {answer.json().get('code')}"] += 1


class Chronicle:
    """Keys of which each has a writer that gives every event the next version, through auth's own outbox.

    Registrations make one event a key; order within a key takes many. Every event names its version as the
    name of the user, so that a profile shows which one was applied first.
    """

    def __init__(self, database: Database, *, keys: int = 6, pause_seconds: float = 0.6) -> None:
        self.told: dict[UUID, dict[int, UUID]] = {new_id(): {} for _ in range(keys)}
        """Of each key the versions that were committed for certain, and their events' ids."""
        self.doubtful: set[UUID] = set()
        """Events of transactions of which nobody heard how they ended."""
        self._database = database
        self._pause = pause_seconds

    @property
    def written(self) -> int:
        return sum(len(versions) for versions in self.told.values())

    async def more(self, number: int) -> None:
        wanted = self.written + number
        await eventually(lambda: self.written >= wanted, within=PATIENCE_SECONDS)

    @asynccontextmanager
    async def flowing(self) -> AsyncGenerator["Chronicle"]:
        stop = asyncio.Event()
        writers = [asyncio.create_task(self._write(key, stop)) for key in self.told]
        try:
            yield self
        finally:
            stop.set()
            await asyncio.gather(*writers)

    async def _write(self, key: UUID, stop: asyncio.Event) -> None:
        version = 0
        while await elapses(self._pause, unless=stop):
            version += 1
            event_id = new_id()
            try:
                async with self._database.transaction(as_user=key) as tx:
                    await tx.execute(sa.text("SELECT 1"))
                    name = f"version {version}"
                    await record(tx, user_registered(key, event_id=event_id, version=version, full_name=name))
            except QuartetError:
                self.doubtful.add(event_id)
            else:
                self.told[key][version] = event_id


class Requests:
    """One kind of request over and over, by several callers with connections of their own."""

    def __init__(self, ask: Callable[[], Awaitable[str]], *, callers: int = 3) -> None:
        self.outcomes: Counter[str] = Counter()
        """What `ask` told of each request, or the name of the error that it raised."""
        self._ask = ask
        self._callers = callers

    async def more(self, number: int) -> None:
        wanted = self.outcomes.total() + number
        await eventually(lambda: self.outcomes.total() >= wanted, within=PATIENCE_SECONDS)

    @asynccontextmanager
    async def flowing(self) -> AsyncGenerator["Requests"]:
        stop = asyncio.Event()
        callers = [asyncio.create_task(self._call(stop)) for _ in range(self._callers)]
        try:
            yield self
        finally:
            stop.set()
            await asyncio.gather(*callers)

    async def _call(self, stop: asyncio.Event) -> None:
        while await elapses(0.1, unless=stop):
            try:
                self.outcomes[await self._ask()] += 1
            except (httpx.TransportError, OSError) as error:
                self.outcomes[type(error).__name__] += 1
