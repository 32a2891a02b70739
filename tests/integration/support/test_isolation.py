"""What every other integration test stands on: a clean, private share of real servers."""

from collections import Counter

import pytest

from common.contracts.topics import SERVICES, USERS
from common.ids import new_id
from common.postgres.context import Context
from tests.support.factories import one_of_each, user_registered
from tests.support.waiting import eventually


class TestDatabases:
    @pytest.mark.parametrize("service", SERVICES)
    async def test_are_entered_as_the_process_through_the_pooler(self, databases, service):
        database = databases(service, "worker")

        async with database.read_transaction(as_user=Context.SYSTEM) as connection:
            found = await connection.fetchrow("select session_user as login, current_user as role")

        assert (found["login"], found["role"]) == (f"{service}_worker", f"{service}_system")

    @pytest.mark.parametrize("turn", ["first", "second"])
    async def test_are_clean_for_every_test(self, superuser, turn):
        assert await superuser.fetchval("select count(*) from auth.audit_log") == 0

        await superuser.execute(
            "insert into auth.audit_log (id, actor, action) values ($1, 'test', 'test')", new_id()
        )

    async def test_keep_what_migrations_put_in(self, superuser):
        assert await superuser.fetchval("select count(*) from auth.alembic_version") == 1

    async def test_see_no_more_than_a_process_may(self, databases):
        database = databases("profile", "api")

        with pytest.raises(Exception, match="permission denied"):
            async with database.read_transaction(as_user=Context.SYSTEM):
                pass


class TestStreams:
    @pytest.mark.parametrize("turn", ["first", "second"])
    async def test_are_empty_for_every_test(self, streams, turn):
        assert await streams.consume_all(USERS) == []

        await streams.produce(USERS, "key", {"ce_type": "user.registered"}, b"{}")

        assert [record.key for record in await streams.consume_all(USERS)] == [b"key"]

    async def test_carry_every_event(self, streams):
        for event in one_of_each():
            await streams.send(event)

        sent = Counter(event.data.topic for event in one_of_each())
        assert {topic: len(await streams.consume_all(topic)) for topic in sent} == dict(sent)

    async def test_keep_a_key_on_one_partition(self, streams):
        events = [user_registered() for _ in range(20)]
        for event in events:
            await streams.send(event)
            await streams.send(event)

        records = await streams.consume_all(USERS)

        places = {record.key: record.partition for record in records}
        assert len(records) == 40
        assert all(places[record.key] == record.partition for record in records)
        assert set(places.values()) == {0, 1, 2}


class TestRedis:
    @pytest.mark.parametrize("turn", ["first", "second"])
    async def test_is_empty_for_every_test(self, installation, redis, turn):
        key = f"{installation.redis_settings('auth').prefix}key"

        assert await redis.get(key) is None

        await redis.set(key, "value")

    async def test_carries_hints(self, installation, redis):
        channel = f"{installation.redis_settings('auth').prefix}outbox"
        async with redis.pubsub() as listening:
            await listening.subscribe(channel)

            await redis.publish(channel, "")

            async def heard():
                message = await listening.get_message(timeout=0.1)
                return message if message and message["type"] == "message" else None

            assert (await eventually(heard))["channel"] == channel
