"""Writers, relays, an outbox and Kafka: what is committed arrives, in the order of commits for each key."""

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from common.errors import QuartetError
from common.messaging import lease, outbox, relay
from common.messaging.channel import Channel
from common.messaging.hints import Wakeups
from common.messaging.outbox import record
from common.messaging.relay import Relay, RelaySettings
from common.postgres.context import Context
from tests.simulation.kafka import Broker, ModelProducer
from tests.simulation.network import Network
from tests.simulation.postgres import ModelTransaction, PostgresModel, Waits, rows
from tests.simulation.world import Faults, Process, World
from tests.support.factories import user_registered

FAULTS = Faults(
    crashes=2, pauses=2, pause_seconds=30.0, lost_replies=0.02, late_requests=0.02, until_seconds=8.0
)
KEYS = tuple(UUID(int=number) for number in (1, 2))
EVENTS_OF_A_WRITER = 3
SETTINGS = RelaySettings(
    rows=4, lease_seconds=6.0, renew_seconds=2.0, kafka_seconds=8.0, poll_seconds=1.0, sweep_seconds=0.5
)

_LOCK_AGGREGATE = "lock the aggregate's row"
_UPDATE_AGGREGATE = "update the aggregate's row"


@dataclass
class Rules:
    """What the system rests on; a planted fault takes one of them away."""

    lock_of_the_aggregate: bool = True
    lock_of_the_key: bool = True
    lock_of_the_batch: bool = True
    lease: bool = True
    fence: bool = True
    no_cursor: bool = True
    writers_are_waited_for: bool = True


@dataclass
class Outbox:
    """The statements of `outbox.py`, `lease.py` and `relay.py` as the model of PostgreSQL runs them."""

    model: PostgresModel
    rules: Rules
    reads: int = 0
    passed: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def teach(self) -> None:
        self.model.teach(
            {
                _LOCK_AGGREGATE: self.lock_aggregate,
                _UPDATE_AGGREGATE: self.update_aggregate,
                outbox._RECORD: self.record,
                lease._TAKE: self.take,
                lease._GIVE_UP: self.give_up,
                relay._GUARD: self.guard,
                relay._READ: self.read,
                relay._DELETE: self.delete,
                relay._PROBE: self.probe,
                relay._SWEEP: self.sweep,
                relay._WRITERS: self.writers,
            }
        )

    def lock_aggregate(self, tx: ModelTransaction, key: UUID) -> Waits:
        if self.rules.lock_of_the_aggregate:
            yield from tx.lock("aggregates", key)
        return rows("version", [(tx.visible("aggregates").get(key, 0),)])

    def update_aggregate(self, tx: ModelTransaction, named: tuple[UUID, int]) -> Waits:
        key, version = named
        yield from tx.lock("aggregates", key)
        tx.write("aggregates", key, version)

    def record(self, tx: ModelTransaction, told: tuple[list[Any], ...]) -> Waits:
        _, topics, keys, _, payloads, headers = told
        if self.rules.lock_of_the_key:
            for key in sorted(set(keys)):
                yield from tx.lock("key", key)
        for row in zip(topics, keys, payloads, headers, strict=True):
            yield from tx.insert("outbox", self.model.next_number(), row)

    def take(self, tx: ModelTransaction, asked: dict[str, Any]) -> Waits:
        yield from tx.lock("relay_lease", 0)
        holder, until, epoch = tx.visible("relay_lease").get(0, (None, -1.0, 0))
        if holder != asked["holder"] and until >= tx.now:
            return None
        epoch += holder != asked["holder"]
        tx.write("relay_lease", 0, (asked["holder"], tx.now + asked["seconds"], epoch))
        return rows("epoch", [(epoch,)])

    def give_up(self, tx: ModelTransaction, asked: dict[str, Any]) -> Waits:
        yield from tx.lock("relay_lease", 0)
        holder, _, epoch = tx.visible("relay_lease")[0]
        if holder == asked["holder"]:
            tx.write("relay_lease", 0, (holder, tx.now, epoch))

    def guard(self, tx: ModelTransaction, asked: tuple[UUID, str]) -> Waits:
        asker, name = asked
        alone = not self.rules.lock_of_the_batch or tx.try_lock("advisory", name)
        holder, until, _ = tx.visible("relay_lease")[0]
        held = holder == asker and until > tx.now
        tx.notes["held"] = held
        return rows("alone held server", [(alone, held or not self.rules.lease, self.model.started)])
        yield

    def read(self, tx: ModelTransaction, limits: tuple[int, int, int]) -> Waits:
        assert tx.notes["held"], "a relay without the lease reads"
        others = [other for other in self.model.open if other is not tx and "reads" in other.notes]
        assert not others, "two batches are open at once"
        tx.notes["reads"] = True
        self.reads += 1
        found = []
        most, _, floor = limits
        above = sorted((position, row) for position, row in tx.visible("outbox").items() if position > floor)
        for position, (topic, key, payload, headers) in above[:most]:
            if self.rules.no_cursor or position > self.passed[tx.process.name]:
                told = json.dumps(json.loads(headers) | {"read": f"{self.reads:06}"})
                found.append((position, topic, key, payload, told))
        return rows("position topic aggregateid payload headers", found)
        yield

    def delete(self, tx: ModelTransaction, positions: list[int]) -> Waits:
        for position in positions:
            yield from tx.delete("outbox", position)
        self.passed[tx.process.name] = max(positions)

    def probe(self, tx: ModelTransaction, above: int) -> Waits:
        return rows("exists", [(any(position > above for position in tx.visible("outbox")),)])
        yield

    def sweep(self, tx: ModelTransaction, asked: dict[str, int]) -> Waits:
        found = [position for position in tx.visible("outbox") if position > asked["floor"]]
        return rows("waiting first age", [(len(found), min(found, default=None), 0.0)])
        yield

    def writers(self, tx: ModelTransaction, _: Any) -> Waits:
        found = tx.writers("outbox") if self.rules.writers_are_waited_for else []
        return rows("virtualtransaction", [(name,) for name in found])
        yield


class ModelChannel(Channel):
    def __init__(self, make: Callable[[], ModelProducer]) -> None:
        super().__init__(None, transactional_id="", patience_seconds=SETTINGS.kafka_seconds)  # pyright: ignore[reportArgumentType] - no settings are read
        self._make = make

    def _new_producer(self) -> Any:
        return self._make()


class RelayScenario:
    def __init__(self, rules: Rules | None = None, *, forgetful: bool = False) -> None:
        self.rules = rules or Rules()
        self.forgetful = forgetful
        """Use cases touch their aggregate's row only after `record`."""
        self.committed: dict[str, list[str]] = {}
        self.__name__ = "a relay with forgetful writers" if forgetful else "a relay"

    def __call__(self, world: World) -> None:
        self.committed = defaultdict(list)
        network = Network(world)
        model, broker = PostgresModel(world, network), Broker(world)
        Outbox(model, self.rules).teach()
        wakeups: list[Wakeups] = []
        written: list[str] = []
        for name in ("relay-1", "relay-2"):
            self._start_relay(world.process(name), model, broker, network, wakeups)
        for name in ("writer-1", "writer-2"):
            self._start_writer(world.process(name), model, wakeups, written)
        if world.random.random() < 0.3:
            world.plan(world.random.uniform(0, world.faults.until_seconds), model.restart)

        def everything_is_sent() -> bool:
            return set(written) == {"writer-1", "writer-2"} and not model.table("outbox")

        world.run(until=everything_is_sent, seconds=240)
        self._check(model, broker)

    def _start_relay(
        self, process: Process, model: PostgresModel, broker: Broker, network: Network, wakeups: list[Wakeups]
    ) -> None:
        database = model.database(process)

        async def main() -> None:
            heard = Wakeups(None, "", ["outbox"])  # pyright: ignore[reportArgumentType] - Redis is not asked
            heard.away = False
            wakeups.append(heard)
            name = "relay" if self.rules.fence else None
            channel = ModelChannel(lambda: ModelProducer(broker, network, process, name))
            holder = UUID(int=process.random.getrandbits(128))
            await Relay(
                database,  # pyright: ignore[reportArgumentType] - a model of it
                SimpleNamespace(installation=""),  # pyright: ignore[reportArgumentType] - settings
                heard,
                service="auth",
                settings=SETTINGS,
                holder=holder,
                channel=channel,
                now=process.now,
                chance=process.random.random,
            ).run(asyncio.Event())

        process.start(main)

    def _start_writer(
        self, process: Process, model: PostgresModel, wakeups: list[Wakeups], written: list[str]
    ) -> None:
        database, left, refused = model.database(process), [EVENTS_OF_A_WRITER], []

        def hint() -> None:
            for heard in wakeups:
                if process.random.random() < 0.7:  # the rest is lost: polling finds it
                    heard.wake(["outbox"])

        database.on_commit = hint

        async def main() -> None:
            while left[0] > 0:
                left[0] -= 1
                try:
                    await database.in_transaction(Context.SYSTEM, lambda tx: self._change(tx, process))
                except QuartetError:  # perhaps it is committed nevertheless: what is there counts
                    refused.append(process.name)
                await asyncio.sleep(process.random.random() * 0.2)
            written.append(process.name)

        process.start(main)

    async def _change(self, tx: ModelTransaction, process: Process) -> None:
        """A use case: its aggregate's row first, then the event, then perhaps a late commit."""
        chance, key = process.random, process.random.choice(KEYS)
        event_id = UUID(int=chance.getrandbits(128))
        version = 0
        if not self.forgetful:
            version = (await tx.execute(_LOCK_AGGREGATE, key)).one().version + 1
        await record(tx, user_registered(key, event_id=event_id, version=version))  # pyright: ignore[reportArgumentType] - a model
        tx.on_commit = lambda: self.committed[str(key)].append(str(event_id))
        await tx.execute(_UPDATE_AGGREGATE, (key, version))
        if chance.random() < 0.5:
            await asyncio.sleep(chance.random() * 0.5)

    def _check(self, model: PostgresModel, broker: Broker) -> None:
        versions: dict[str, list[int]] = defaultdict(list)
        ids: dict[str, list[str]] = defaultdict(list)
        for log in broker.logs.values():
            reads = [dict(stored.headers)["read"] for stored in log if stored.state == "committed"]
            assert reads == sorted(reads), "what an older leader read came after what a newer one read"
            for stored in (stored for stored in log if stored.state == "committed"):
                key, event_id = str(stored.key, "utf-8"), dict(stored.headers)["ce_id"].decode()
                if event_id not in ids[key]:
                    ids[key].append(event_id)
                    versions[key].append(json.loads(stored.value)["version"])
        assert ids == self.committed, "not in the order of commits"
        if not self.forgetful:
            for key in KEYS:
                last = model.table("aggregates").get(key, 0)
                assert versions[str(key)] == list(range(1, last + 1)), f"{versions[str(key)]} of {last}"
