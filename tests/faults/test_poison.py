"""A message that cannot be applied stops its key and nothing else, until somebody decides about it."""

import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from uuid import UUID

import asyncpg
import pytest
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.structs import RecordMetadata

from common.contracts.auth import UserRegistered
from common.contracts.envelope import Event
from common.contracts.topics import USERS
from common.ids import new_id
from common.messaging.headers import encode
from quartet_cli.topics import LOCAL_PARTITIONS
from tests.support.accounting import LISTENERS, first_times, parked, tellings
from tests.support.cli import quartet
from tests.support.factories import user_registered
from tests.support.streams import Streams
from tests.support.waiting import eventually

pytestmark = pytest.mark.usefixtures("everything_is_well")

NUMBERS = list(range(LOCAL_PARTITIONS))
partition_of = DefaultPartitioner()


def neighbours(number: int) -> list[UUID]:
    """Users whose events stand in one partition."""
    found: list[UUID] = []
    while len(found) < number:
        candidate = new_id()
        if partition_of(str(candidate).encode(), NUMBERS, NUMBERS) == NUMBERS[0]:
            found.append(candidate)
    return found


@asynccontextmanager
async def refusing(operator: asyncpg.Connection, full_name: str) -> AsyncIterator[None]:
    """As long as this lasts profile's database refuses users of this name: a bug that waits for its fix."""
    await operator.execute(
        f"alter table profile.profiles add constraint poison check (display_name <> '{full_name}') not valid"
    )
    try:
        yield
    finally:
        await operator.execute("alter table profile.profiles drop constraint poison")


async def name_of(operator: asyncpg.Connection, user_id: UUID) -> str | None:
    return await operator.fetchval("select display_name from profile.profiles where user_id = $1", user_id)


async def stopped(operator: asyncpg.Connection, *keys: UUID) -> dict[str, int]:
    """Messages of these keys that wait, by service."""
    counted = "select count(*) from {}.parked_messages where key = any($1)"
    texts = [str(key) for key in keys]
    return {name: await operator.fetchval(counted.format(name), texts) for name in LISTENERS}


async def letters(*keys: UUID) -> list[dict]:
    """What the command lists of these keys, in every service."""
    listed = await quartet("dlq", "list", "--json")
    assert listed.code == 0, listed.errors
    wanted = {str(key) for key in keys}
    return [letter for letter in json.loads(listed.output) if letter["key"] in wanted]


async def told_of(topics: Streams, event_type: str, key: UUID) -> int:
    """How many different events of profile tell that this user's profile was made."""
    told = (await tellings(topics, event_type, [key]))[str(key)]
    return len(first_times(told))


class TestMessageThatIsRefused:
    async def test_waits_with_its_key_and_has_its_effect_once_when_the_cause_is_gone(self, operator, topics):
        poisoned, neighbour = neighbours(2)
        name = f"poison {poisoned.hex}"
        async with refusing(operator, name):
            await topics.send(user_registered(poisoned, full_name=name))
            await topics.send(user_registered(poisoned, version=2, full_name="later"))
            await topics.send(user_registered(neighbour, full_name="a neighbour"))

            assert await eventually(lambda: name_of(operator, neighbour), within=30)
            await eventually(lambda: _equals(stopped(operator, poisoned), only_profile(2)), within=30)
            first, second = await letters(poisoned)
            still_refused = await quartet("dlq", "replay", first["id"], "--service", "profile")
            too_early = await quartet("dlq", "replay", second["id"], "--service", "profile")
        shown = await quartet("dlq", "show", first["id"])
        replayed = await quartet("dlq", "replay", "--key", str(poisoned), "--service", "profile")

        assert (first["service"], first["kind"], first["event_type"]) == (
            "profile",
            "permanent",
            "user.registered",
        )
        assert (still_refused.code, too_early.code) == (1, 1)
        assert json.loads(json.loads(shown.output)["payload"])["user_id"] == str(poisoned)
        assert replayed.code == 0, replayed.output + replayed.errors
        assert await name_of(operator, poisoned) == name
        assert await parked(operator) == {}
        assert await eventually(lambda: told_of(topics, "profile.profile.v1", poisoned), within=20) == 1


def only_profile(number: int) -> dict[str, int]:
    return dict.fromkeys(LISTENERS, 0) | {"profile": number}


async def _equals(asked: Awaitable[object], wanted: object) -> bool:
    found = await asked
    assert found == wanted, found
    return True


def _headers(event: Event[UserRegistered], **changed: str) -> dict[str, str]:
    return encode(event, trace={}) | changed


class TestMessageThatNobodyCanRead:
    UNREADABLE = (({}, "{"), ({"ce_time": "yesterday"}, None), ({"ce_id": "17"}, None))
    """Headers that are changed, and the payload when it is not a good one."""

    async def test_stops_its_key_until_it_is_dropped(self, operator, topics):
        *keys, neighbour = neighbours(len(self.UNREADABLE) + 1)
        sent = []
        for key, (headers, payload) in zip(keys, self.UNREADABLE, strict=True):
            event = user_registered(key)
            text = payload or event.data.model_dump_json()
            sent.append(await topics.produce(USERS, str(key), _headers(event, **headers), text))
            await topics.send(user_registered(key, full_name="waited"))
        await topics.send(user_registered(neighbour, full_name="a neighbour"))

        assert await eventually(lambda: name_of(operator, neighbour), within=30)
        two_each = dict.fromkeys(LISTENERS, 2 * len(keys))
        await eventually(lambda: _equals(stopped(operator, *keys), two_each), within=30)
        assert [await name_of(operator, key) for key in keys] == [None] * len(keys)
        found = await letters(*keys)
        for record in sent:
            dropped = await quartet("dlq", "drop", *_only(record))
            assert dropped.code == 0, dropped.output + dropped.errors
        replayed = await quartet("dlq", "replay", "--all")

        offsets = {(record.partition, record.offset) for record in sent}
        unreadable = [one for one in found if (one["partition"], one["record_offset"]) in offsets]
        assert Counter(one["kind"] for one in unreadable) == {"undecodable": len(LISTENERS) * len(keys)}
        assert replayed.code == 0, replayed.output + replayed.errors
        assert [await name_of(operator, key) for key in keys] == ["waited"] * len(keys)
        assert await parked(operator) == {}


def _only(record: RecordMetadata) -> list[str]:
    offset = str(record.offset)
    place = ["--topic", USERS.name, "--partition", str(record.partition)]
    return [*place, "--first-offset", offset, "--last-offset", offset]


class TestMessageThatComesTwice:
    async def test_has_one_effect_whatever_it_says_the_second_time(self, operator, topics):
        """Consumers know a message by its id; a second one with the same id is not looked at."""
        first, copied = neighbours(2)
        event = user_registered(first)
        await topics.send(event)
        # messages of different keys are handled side by side: who comes second is the copy
        assert await eventually(lambda: name_of(operator, first), within=30)

        await topics.produce(
            USERS,
            str(copied),
            _headers(event, ce_subject=str(copied), ce_userid=str(copied)),
            user_registered(copied, full_name="a copy").data.model_dump_json(),
        )
        await topics.send(user_registered(copied, full_name="after the copy"))

        # of its key the copy was handled before
        assert await eventually(lambda: name_of(operator, copied), within=30) == "after the copy"
