"""Processes that want the same row worked on, version by version: single flight, lock and claim together."""

import asyncio
from collections import defaultdict
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from common.claims import Claim, Claims
from common.errors import QuartetError
from common.locks import Locks
from common.once import Once, Todo, Work
from common.postgres.context import Context
from tests.simulation.lock_scenario import new_id
from tests.simulation.network import Network
from tests.simulation.postgres import ModelTransaction, PostgresModel, Waits, rows
from tests.simulation.redis import RedisModel
from tests.simulation.world import Faults, Process, World

FAULTS = Faults(
    crashes=2,
    pauses=3,
    pause_seconds=8.0,
    lost_replies=0.03,
    lost_requests=0.02,
    late_requests=0.02,
    until_seconds=8.0,
)
PROCESSES = 3
CALLERS = 2
VERSIONS = 3
WORK_SECONDS = 1.0
KEY = UUID(int=1)

_LOOK = "look at the row"
_EFFECT = "write the effect"


@dataclass
class Rules:
    """What claimed work rests on; a planted fault takes one of them away."""

    claim_in_finish: bool = True
    version_in_finish: bool = True
    state_in_take: bool = True
    version_in_take: bool = True


@dataclass(frozen=True)
class _Row:
    version: int = 1
    state: str = "ok"
    claim: UUID | None = None
    until: float = 0.0


class Table:
    """The statements of `claims.py` as the model of PostgreSQL runs them."""

    def __init__(self, model: PostgresModel, claims: Claims, rules: Rules) -> None:
        self._model = model
        self._rules = rules
        model.table("rows")[KEY] = _Row()
        model.teach(
            {
                claims.take_statement: self.take,
                claims.give_up_statement: self.give_up,
                claims.finish_statement(()): self.finish,
                _LOOK: self.look,
                _EFFECT: self.effect,
            }
        )

    @property
    def row(self) -> _Row:
        return self._model.table("rows")[KEY]

    def take(self, tx: ModelTransaction, asked: dict[str, Any]) -> Waits:
        yield from tx.lock("rows", KEY)
        row, now = tx.visible("rows")[KEY], self._model.world.now
        stands = row.state == "held" and row.until > now
        free = row.state == "ok" or (row.state == "held" and row.until <= now)
        if (row.version != asked["version"] and self._rules.version_in_take) or (
            not free and self._rules.state_in_take
        ):
            return None
        assert not stands, "taken while the claim of another stands"
        assert row.version == asked["version"], "taken on a version that nobody asked for"
        tx.write("rows", KEY, _Row(row.version, "held", asked["claim"], now + asked["seconds"]))
        return rows("taken_over", [(row.state == "held",)])

    def finish(self, tx: ModelTransaction, asked: dict[str, Any]) -> Waits:
        yield from tx.lock("rows", KEY)
        row = tx.visible("rows")[KEY]
        if (row.claim != asked["claim"] and self._rules.claim_in_finish) or (
            row.version != asked["version"] and self._rules.version_in_finish
        ):
            return None
        assert row.claim == asked["claim"], "a result counts whose claim is another's by now"
        tx.write("rows", KEY, _Row(row.version + 1))
        return rows("version", [(row.version + 1,)])

    def give_up(self, tx: ModelTransaction, asked: dict[str, Any]) -> Waits:
        yield from tx.lock("rows", KEY)
        row = tx.visible("rows")[KEY]
        if row.claim != asked["claim"]:
            return None
        tx.write("rows", KEY, _Row(row.version))
        return rows("version", [(row.version,)])

    def look(self, tx: ModelTransaction, _: Any) -> Waits:
        return rows("version", [(tx.visible("rows")[KEY].version,)])
        yield

    def effect(self, tx: ModelTransaction, told: tuple[int, UUID]) -> Waits:
        version, claim_id = told
        yield from tx.insert("effects", (version, claim_id), True)


class ClaimScenario:
    def __init__(self, rules: Rules | None = None) -> None:
        self._rules = rules or Rules()
        self.__name__ = "claimed work"
        self.taken_over = 0

    def __call__(self, world: World) -> None:
        network = Network(world)
        model, redis = PostgresModel(world, network), RedisModel(world, network)
        claims = {}
        for number in range(PROCESSES):
            process = world.process(f"process-{number}")
            claims[process.name] = Claims("rows", free="ok", held="held", now=process.now)
        table = Table(model, claims["process-0"], self._rules)
        ended: list[str] = []
        for process in world.processes:
            self._start(process, model, redis, claims[process.name], ended)
        self._plan_faults_of_servers(world, model, redis)

        world.run(until=lambda: len(set(ended)) == PROCESSES, seconds=240)

        by_version: dict[int, int] = defaultdict(int)
        for version, _ in model.table("effects"):
            by_version[version] += 1
        assert by_version == dict.fromkeys(range(2, VERSIONS + 2), 1), f"effects by version: {by_version}"
        assert (table.row.state, table.row.claim) == ("ok", None), "a claim was left behind"

    def _start(
        self, process: Process, model: PostgresModel, redis: RedisModel, claims: Claims, ended: list[str]
    ) -> None:
        async def main() -> None:
            database: Any = model.database(process)
            client: Any = redis.client(process)
            locks = Locks(client, "", now=process.now, new_id=lambda: new_id(process))
            once = Once(
                database,
                locks,
                now=process.now,
                chance=process.random.random,
                new_id=lambda: new_id(process),
            )
            await asyncio.gather(*(self._want(process, once, claims) for _ in range(CALLERS)))
            await once.close()
            await locks.close()
            ended.append(process.name)

        process.start(main)

    async def _want(self, process: Process, once: Once, claims: Claims) -> None:
        """Every version after the first, however often it has to be asked for."""
        version = 1
        while version <= VERSIONS:
            asking = asyncio.ensure_future(once.do(self._work(process, claims, version)))
            if process.random.random() < 0.1:
                await asyncio.wait({asking}, timeout=process.random.random())
                asking.cancel()
            await asyncio.wait({asking})
            if asking.cancelled() or isinstance(asking.exception(), QuartetError):
                await asyncio.sleep(process.random.random() * 0.2)
            else:
                version = asking.result()

    def _work(self, process: Process, claims: Claims, version: int) -> Work[None, int]:
        async def look(tx: Any) -> int | Todo:
            found = (await tx.execute(_LOOK, KEY)).one().version
            return found if found > version else Todo(found)

        async def do(claim: Claim) -> None:
            self.taken_over += claim.taken_over
            await asyncio.sleep(process.random.random() * WORK_SECONDS * 1.2)

        async def store(tx: Any, claim: Claim, _: None) -> int:
            now_at = await claims.finish(tx, claim, {})
            await tx.execute(_EFFECT, (now_at, claim.id))
            return now_at

        return Work(
            claims=claims,
            key=KEY,
            version=version,
            as_user=Context.SYSTEM,
            look=look,
            do=do,
            store=store,
            work_seconds=WORK_SECONDS,
            wait_seconds=4.0,
        )

    def _plan_faults_of_servers(self, world: World, model: PostgresModel, redis: RedisModel) -> None:
        chance = world.random
        if chance.random() < 0.3:
            world.plan(chance.uniform(0, 4), lambda: redis.pause(chance.uniform(0, 5)))
        if chance.random() < 0.3:
            world.plan(chance.uniform(0, 4), lambda: redis.kill(chance.uniform(0, 5)))
        if chance.random() < 0.3:
            world.plan(chance.uniform(0, 4), model.restart)
