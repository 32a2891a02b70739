import asyncio
import json
from collections.abc import Callable
from itertools import count
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
import sqlalchemy as sa
from fastapi import FastAPI

from common.contracts.auth import UserRegistered
from common.contracts.envelope import Event
from common.contracts.topics import USERS
from common.errors import QuartetError
from common.http.internal import operator
from common.ids import new_id
from common.messaging import dead_letters
from common.messaging.consumer import Consumer, ConsumerSettings
from common.messaging.dead_letters import DeadLetters, Selection
from common.messaging.dead_letters_api import dead_letters_router
from common.messaging.headers import encode
from common.postgres.context import Context
from common.postgres.engine import Database, Transaction
from common.settings import KafkaSettings
from tests.support.factories import user_registered
from tests.support.messaging import each, effect, running, versions
from tests.support.streams import PARTITIONS, Streams
from tests.support.waiting import eventually

SLOW_DRAIN = ConsumerSettings(drain_seconds=3600.0)


class Mood:
    """Refuses events of these keys, until it is told otherwise."""

    def __init__(self) -> None:
        self.bad: set[str] = set()
        self.unstorable: set[str] = set()

    async def handle(self, tx: Transaction, event: Event[UserRegistered]) -> None:
        await effect(tx, event)
        if event.key in self.bad:
            raise KeyError(event.key)
        if event.key in self.unstorable:
            await tx.execute(sa.text("INSERT INTO effects (event_id, key, version) VALUES (NULL, '', 0)"))


@pytest.fixture
def mood() -> Mood:
    return Mood()


@pytest.fixture
def consumer(profile: Database, kafka_settings: Callable[[str], KafkaSettings], mood: Mood) -> Consumer:
    name = f"test-{uuid4().hex}"
    return Consumer(profile, kafka_settings("profile"), each(mood.handle), name=name, settings=SLOW_DRAIN)


@pytest.fixture
def letters(consumer: Consumer) -> DeadLetters:
    return DeadLetters(consumer.delivery)


@pytest.fixture
async def key(consumer: Consumer, mood: Mood, streams: Streams, superuser: asyncpg.Connection) -> UUID:
    """A key that was stopped with three messages, by something that is mended by now."""
    key = new_id()
    mood.bad.add(str(key))
    for version in (1, 2, 3):
        await streams.send(user_registered(key, version=version))
    async with running(consumer):
        await eventually(lambda: _count(superuser, 3))
    mood.bad.clear()
    return key


class TestDeadLetters:
    async def test_a_replayed_key_is_in_order_and_open_again(
        self, letters: DeadLetters, key: UUID, superuser: asyncpg.Connection
    ):
        outcome = await letters.replay(Selection(key=str(key)), actor="operator")

        assert (len(outcome.done), outcome.refused) == (3, ())
        assert await versions(superuser) == {str(key): [1, 2, 3]}
        assert await superuser.fetchval("select count(*) from profile.parked_keys") == 0
        assert await letters.find(Selection()) == []

    async def test_a_stopped_message_that_comes_again_still_has_one_effect(
        self,
        letters: DeadLetters,
        key: UUID,
        consumer: Consumer,
        streams: Streams,
        superuser: asyncpg.Connection,
    ):
        for letter in await letters.find(Selection(key=str(key))):
            await streams.send(user_registered(key, event_id=letter.event_id, version=9))
        await _run_to_the_end(consumer_again(consumer))
        await letters.replay(Selection(key=str(key)), actor="operator")

        assert await versions(superuser) == {str(key): [1, 2, 3]}

    async def test_each_replay_is_audited_with_its_effect(
        self, letters: DeadLetters, key: UUID, superuser: asyncpg.Connection
    ):
        before = await letters.find(Selection(key=str(key)))

        await letters.replay(Selection(key=str(key)), actor="ada")

        rows = await superuser.fetch("select * from profile.audit_log order by id")
        assert {(row["actor"], row["action"]) for row in rows} == {("ada", "dead_letter.replay")}
        assert [json.loads(row["data"])["offset"] for row in rows] == [
            letter.record_offset for letter in before
        ]
        assert [json.loads(row["data"])["partition"] for row in rows] == [
            letter.partition for letter in before
        ]

    async def test_a_dry_run_tries_and_changes_nothing(
        self, letters: DeadLetters, key: UUID, mood: Mood, superuser: asyncpg.Connection
    ):
        would = await letters.replay(Selection(key=str(key)), actor="operator", dry_run=True)
        mood.bad.add(str(key))
        would_not = await letters.replay(Selection(key=str(key)), actor="operator", dry_run=True)
        dropped = await letters.drop(Selection(), actor="operator", dry_run=True)

        assert (would.dry_run, len(would.done), len(would_not.refused), len(dropped.done)) == (True, 3, 3, 3)
        assert await _count(superuser, 3)
        assert await superuser.fetchval("select count(*) from profile.audit_log") == 0
        assert await versions(superuser) == {}

    async def test_an_act_says_when_more_fit_than_it_looked_at(
        self, letters: DeadLetters, key: UUID, monkeypatch
    ):
        monkeypatch.setattr(dead_letters, "MOST_MESSAGES", 1)

        acts = [
            await letters.drop(Selection(key=str(key)), actor="operator"),
            await letters.replay(Selection(key=str(key)), actor="operator"),
            await letters.replay(Selection(key=str(key)), actor="operator"),
        ]

        assert [(len(act.done), act.more) for act in acts] == [(1, True), (1, True), (1, False)]

    async def test_a_replay_that_takes_long_tells_what_it_did_and_that_more_fit(
        self, consumer: Consumer, key: UUID, superuser: asyncpg.Connection
    ):
        moments = count(step=dead_letters.REPLAY_SECONDS / 2)
        slow = DeadLetters(consumer.delivery, now=lambda: next(moments))

        acts = [await slow.replay(Selection(key=str(key)), actor="operator") for _ in range(3)]

        assert [(len(act.done), act.more) for act in acts] == [(1, True), (1, True), (1, False)]
        assert await versions(superuser) == {str(key): [1, 2, 3]}

    async def test_a_replay_stops_at_the_first_that_fails_again(
        self, letters: DeadLetters, key: UUID, mood: Mood, superuser: asyncpg.Connection
    ):
        mood.bad.add(str(key))

        outcome = await letters.replay(Selection(key=str(key)), actor="operator")

        assert (outcome.done, len(outcome.refused)) == ((), 3)
        (first, *_) = await letters.find(Selection(key=str(key)))
        assert first.attempts == 2
        assert "KeyError" in outcome.refused[0].reason
        assert await superuser.fetchval("select attempts from profile.parked_keys") == 2

    async def test_what_the_database_does_not_take_is_refused_and_noted(
        self, letters: DeadLetters, key: UUID, mood: Mood
    ):
        mood.unstorable.add(str(key))

        outcome = await letters.replay(Selection(), actor="operator")

        assert "database.constraint" in outcome.refused[0].reason
        (first, *_) = await letters.find(Selection(key=str(key)))
        assert first.attempts == 2

    async def test_no_message_is_replayed_before_an_earlier_one_of_its_key(
        self, letters: DeadLetters, key: UUID, superuser: asyncpg.Connection
    ):
        _, second, _ = await letters.find(Selection(key=str(key)))

        outcome = await letters.replay(Selection(id=second.id), actor="operator")

        assert [refusal.id for refusal in outcome.refused] == [second.id]
        assert await _count(superuser, 3)

    async def test_a_range_is_replayed_up_to_its_end(
        self, letters: DeadLetters, key: UUID, superuser: asyncpg.Connection
    ):
        first, second, third = await letters.find(Selection(key=str(key)))
        reach = Selection(
            topic=first.topic,
            partition=first.partition,
            first_offset=first.record_offset,
            last_offset=second.record_offset,
        )

        outcome = await letters.replay(reach, actor="operator")

        assert outcome.done == (first.id, second.id)
        assert [letter.id for letter in await letters.find(Selection())] == [third.id]
        assert await versions(superuser) == {str(key): [1, 2]}

    async def test_dropping_the_last_message_opens_the_key(
        self,
        letters: DeadLetters,
        key: UUID,
        consumer: Consumer,
        streams: Streams,
        superuser: asyncpg.Connection,
    ):
        outcome = await letters.drop(Selection(key=str(key)), actor="operator")
        await streams.send(user_registered(key, version=4))

        async with running(consumer_again(consumer)):
            await eventually(lambda: _effects(superuser, {str(key): [4]}))

        assert len(outcome.done) == 3
        actions = await superuser.fetch("select action from profile.audit_log")
        assert [row["action"] for row in actions] == ["dead_letter.drop"] * 3

    async def test_an_append_that_meets_a_replay_looks_again(
        self,
        letters: DeadLetters,
        key: UUID,
        consumer: Consumer,
        profile: Database,
        streams: Streams,
        superuser: asyncpg.Connection,
    ):
        async with profile.transaction(as_user=Context.SYSTEM) as replaying:
            await replaying.execute(sa.text("SELECT FROM parked_keys FOR UPDATE"))
            await streams.send(user_registered(key, version=4))
            delivering = asyncio.create_task(_run_to_the_end(consumer_again(consumer)))
            await eventually(lambda: _waits_for_a_row(superuser))
            await replaying.execute(sa.text("DELETE FROM parked_messages"))
            await replaying.execute(sa.text("DELETE FROM parked_keys"))
        await delivering

        assert await _count(superuser, 0)
        assert await versions(superuser) == {str(key): [4]}

    async def test_one_without_a_key_is_replayed_alone(
        self,
        letters: DeadLetters,
        consumer: Consumer,
        streams: Streams,
        superuser: asyncpg.Connection,
    ):
        event = user_registered()
        await streams.produce(USERS, None, encode(event, trace={}), event.data.model_dump_json())
        async with running(consumer):
            await eventually(lambda: _count(superuser, 1))

        (letter,) = await letters.find(Selection())
        refused = await letters.replay(Selection(id=letter.id), actor="operator")
        dropped = await letters.drop(Selection(id=letter.id), actor="operator")

        assert "UndecodableError" in refused.refused[0].reason
        assert dropped.done == (letter.id,)
        with pytest.raises(QuartetError, match=r"dead_letter\.not_found"):
            await letters.show(letter.id, actor="operator")


class TestRouter:
    async def test_lists_shows_replays_and_drops(
        self, letters: DeadLetters, key: UUID, superuser: asyncpg.Connection
    ):
        app = FastAPI()
        app.include_router(dead_letters_router(letters))
        app.dependency_overrides[operator] = lambda: "operator"
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://worker") as client:
            listed = (await client.get("/internal/v1/dead-letters", params={"key": str(key)})).json()["items"]
            cut = (await client.get("/internal/v1/dead-letters", params={"limit": 2})).json()
            shown = (await client.get(f"/internal/v1/dead-letters/{listed[0]['id']}")).json()
            with pytest.raises(QuartetError, match=r"selection\.empty"):
                await client.post("/internal/v1/dead-letters/drop", json={})
            tried = (
                await client.post("/internal/v1/dead-letters/replay", json={"key": str(key), "dry_run": True})
            ).json()
            dropped = (
                await client.post("/internal/v1/dead-letters/drop", json={"id": listed[2]["id"]})
            ).json()
            replayed = (await client.post("/internal/v1/dead-letters/replay", json={"key": str(key)})).json()

            meant = await client.post("/internal/v1/dead-letters/drop", json={"everything": True})

        assert [item["key"] for item in listed] == [str(key)] * 3
        assert (len(cut["items"]), cut["more"]) == (2, True)
        assert json.loads(shown["payload"])["version"] == 1
        assert {"name": "ce_type", "text": "user.registered"} in shown["headers"]
        assert meant.json()["done"] == []
        assert (len(tried["done"]), dropped["done"], len(replayed["done"])) == (3, [listed[2]["id"]], 2)
        assert await versions(superuser) == {str(key): [1, 2]}


def consumer_again(consumer: Consumer) -> Consumer:
    """A new worker of the same group."""
    return Consumer(
        consumer.delivery.database,
        consumer.kafka,
        consumer.delivery.handlers,
        name=consumer.name,
        settings=SLOW_DRAIN,
    )


async def _run_to_the_end(consumer: Consumer) -> None:
    async with running(consumer):
        await eventually(lambda: len(consumer.progress) == PARTITIONS and consumer.lag == 0)


async def _count(superuser: asyncpg.Connection, number: int) -> bool:
    return await superuser.fetchval("select count(*) from profile.parked_messages") == number


async def _effects(superuser: asyncpg.Connection, wanted: dict[str, list[int]]) -> bool:
    return await versions(superuser) == wanted


async def _waits_for_a_row(superuser: asyncpg.Connection) -> bool:
    return await superuser.fetchval(
        "select exists (select from pg_stat_activity where datname = current_database()"
        " and wait_event_type = 'Lock')"
    )
