"""What each listener does when a user is erased, and with whatever comes after that."""

import asyncio
import json

import pytest

from common.contracts.topics import USERS
from common.ids import new_id
from common.messaging.failures import Failure, FailureKind
from common.postgres.context import Context
from tests.support.erasing import Applying, add_rows, kept_of_users, rows_naming, tables_of_users
from tests.support.factories import user_erased, user_registered
from tests.support.records import message_of, record_of
from tests.support.waiting import eventually

RACES = 6
POISON = Failure(FailureKind.PERMANENT, "KeyError", "raised somewhere")

each_listener = pytest.mark.parametrize("service", USERS.listeners)


@pytest.fixture
def applying(databases, service) -> Applying:
    return Applying(service, databases)


@pytest.fixture
def ada():
    return new_id()


@pytest.fixture
async def known(applying, superuser, service, ada):
    """Ada, with a row in every table that holds rows of users."""
    await applying.apply(user_registered(ada))
    await add_rows(superuser, service, ada)
    return ada


async def told(superuser, service) -> list[tuple[str, dict]]:
    rows = await superuser.fetch(f"select type, payload from {service}.outbox order by position")
    return [(row["type"], json.loads(row["payload"])) for row in rows]


async def waits_for_a_lock(superuser) -> bool:
    return await superuser.fetchval(
        "select exists (select from pg_stat_activity where datname = current_database()"
        " and wait_event_type = 'Lock')"
    )


@each_listener
class TestErasing:
    async def test_leaves_the_id_nowhere_but_where_it_must_stay(self, known, applying, superuser, service):
        """Red for a table of users that nothing is put into here: see `tests/support/erasing.py`."""
        before = await rows_naming(superuser, service, known)
        assert tables_of_users(service) <= before.keys()

        await applying.apply(user_erased(known))

        assert await rows_naming(superuser, service, known) == {"audit_log": 1, "erased_users": 1}
        assert kept_of_users(service) == {"audit_log", "erased_users"}

    async def test_touches_nobody_else(self, known, applying, superuser, service):
        bob = new_id()
        await applying.apply(user_registered(bob))
        await add_rows(superuser, service, bob)
        before = await rows_naming(superuser, service, bob)

        await applying.apply(user_erased(known))

        assert await rows_naming(superuser, service, bob) == before

    async def test_is_confirmed_with_the_number_of_rows(self, known, applying, superuser, service):
        await applying.apply(user_erased(known))

        kind, payload = (await told(superuser, service))[-1]
        assert (kind, payload["user_id"]) == (f"{service}.erased", str(known))
        assert payload["rows"] >= len(tables_of_users(service)) - 1  # messages that had stopped do not count

    async def test_told_twice_is_confirmed_twice_and_deletes_nothing_more(
        self, known, applying, superuser, service
    ):
        await applying.apply(user_erased(known))
        left = await rows_naming(superuser, service, known)

        await applying.apply(user_erased(known))

        assert await rows_naming(superuser, service, known) == left
        kind, payload = (await told(superuser, service))[-1]
        assert (kind, payload["rows"]) == (f"{service}.erased", 0)

    async def test_waits_for_whoever_makes_a_first_row(self, applying, superuser, service, ada):
        """Whose row it would not see, and would leave behind."""
        async with applying.database.transaction(as_user=Context.SYSTEM) as tx:
            await applying.delivery.handle(tx, [user_registered(ada)])
            erasing = asyncio.create_task(applying.apply(user_erased(ada)))
            await eventually(lambda: waits_for_a_lock(superuser))
        await erasing

        assert await rows_naming(superuser, service, ada) == {"erased_users": 1}

    async def test_of_many_at_once_is_one_batch(self, applying, superuser, service):
        users = [new_id() for _ in range(10)]
        await applying.apply(*map(user_registered, users))

        await applying.apply(*map(user_erased, users))

        assert await superuser.fetchval(f"select count(*) from {service}.erased_users") == len(users)
        confirmed = [
            payload["user_id"] for kind, payload in await told(superuser, service) if ".erased" in kind
        ]
        assert sorted(confirmed) == sorted(map(str, users))


@each_listener
class TestAnErasedUser:
    async def test_is_not_brought_back_by_an_event_that_comes_late(self, known, applying, superuser, service):
        await applying.apply(user_erased(known))
        left, said = await rows_naming(superuser, service, known), await told(superuser, service)

        await applying.apply(user_registered(known, version=3))

        assert await rows_naming(superuser, service, known) == left
        assert await told(superuser, service) == said

    async def test_who_was_never_heard_of_does_not_come_to_be(self, ada, applying, superuser, service):
        await applying.apply(user_erased(ada), user_registered(ada))

        assert await rows_naming(superuser, service, ada) == {"erased_users": 1}

    async def test_stays_erased_however_both_events_meet(self, applying, superuser, service):
        users = [new_id() for _ in range(RACES)]

        async with asyncio.timeout(30):
            await asyncio.gather(
                *(applying.apply(event(user)) for user in users for event in (user_registered, user_erased))
            )

        left = [await rows_naming(superuser, service, user) for user in users]
        assert left == [{"erased_users": 1}] * RACES


@each_listener
class TestAKeyThatHadToStop:
    async def test_does_not_hold_the_erasure_up_and_is_open_again(self, ada, applying, superuser, service):
        stopped, waiting, erased = (
            message_of(record_of(event, offset))
            for offset, event in enumerate((user_registered(ada), user_registered(ada), user_erased(ada)))
        )
        await applying.delivery.park(stopped, POISON, attempts=1)

        await applying.delivery.together([waiting, erased])

        assert await superuser.fetchval(f"select count(*) from {service}.parked_messages") == 0
        assert await superuser.fetchval(f"select count(*) from {service}.parked_keys") == 0
        assert await rows_naming(superuser, service, ada) == {"erased_users": 1}


class TestATokenThatIsStillValid:
    """Of a user whom profile has erased already."""

    @pytest.fixture
    async def client(self, profile_app, databases, ada):
        await Applying("profile", databases).apply(user_registered(ada), user_erased(ada))
        async with profile_app.client(ada) as client:
            yield client

    @pytest.mark.parametrize(
        ("path", "patch"), [("/me", {"first_name": "Ada"}), ("/me/preferences", {"units": "imperial"})]
    )
    async def test_changes_nothing_and_is_told_why(self, client, superuser, ada, path, patch):
        answer = await client.patch(path, json=patch)

        assert (answer.status_code, answer.json()["code"]) == (404, "user.erased")
        assert await rows_naming(superuser, "profile", ada) == {"erased_users": 1}

    async def test_is_shown_what_everybody_without_a_profile_is_shown(self, client):
        answer = await client.get("/me")

        assert (answer.status_code, answer.json()["version"]) == (200, 0)

    async def test_that_races_the_erasure_stores_nothing_that_stays(self, profile_app, databases, superuser):
        applying, users = Applying("profile", databases), [new_id() for _ in range(RACES)]

        async def patch(user) -> int:
            async with profile_app.client(user) as client:
                return (await client.patch("/me", json={"first_name": "Ada"})).status_code

        async with asyncio.timeout(30):
            *answers, _ = await asyncio.gather(
                *(patch(user) for user in users for _ in range(2)),
                applying.apply(*map(user_erased, users)),
            )

        assert set(answers) <= {200, 404}
        left = [await rows_naming(superuser, "profile", user) for user in users]
        assert left == [{"erased_users": 1}] * RACES
