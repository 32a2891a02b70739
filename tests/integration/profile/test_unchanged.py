"""What is unchanged is answered from the versions that Redis knows; no harm done to it shows an older one."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from common.errors import QuartetError
from common.ids import new_id
from common.known_versions import KnownVersions
from common.postgres.engine import Transaction, changed
from common.postgres.one_trip import in_one_trip
from tests.support.factories import user_registered
from tests.support.own_redis import OwnRedis, own_redis_on
from tests.support.profile_app import ProfileApp, profile_app_with
from tests.support.waiting import eventually

READS = ("/me", "/me/preferences", "/users/{}")


@pytest.fixture
def ada() -> UUID:
    return new_id()


@pytest.fixture
async def client(profile_app, ada):
    async with profile_app.client(ada) as client:
        await client.patch("/me", json={"bio": "0"})
        await client.patch("/me/preferences", json={"units": "imperial"})
        yield client


@pytest.fixture
def statements(profile_app):
    """How often the api has taken a connection."""
    pool, taken = profile_app.app.state.database.pool, []
    take = pool.take

    async def counted():
        taken.append(1)
        return await take()

    pool.take = counted
    return taken


async def get(client: httpx.AsyncClient, path: str, known: str) -> httpx.Response:
    return await client.get(path, headers={"If-None-Match": known})


async def known_in(redis) -> dict[str, str]:
    return {name: await redis.get(name) async for name in redis.scan_iter("profile:version:*")}


async def known_is_learned(client: httpx.AsyncClient, redis, path: str) -> str:
    """The ETag of what is at this path, once Redis knows it."""
    tag = (await client.get(path)).headers["ETag"]

    async def learned() -> bool:
        assert (await get(client, path, tag)).status_code == 304
        return tag.strip('"v') in (await known_in(redis)).values()

    await eventually(learned)
    return tag


class TestWhatIsUnchanged:
    @pytest.mark.parametrize("path", READS)
    async def test_is_answered_without_the_database_once_it_is_known(
        self, client, ada, redis_clients, statements, path
    ):
        path = path.format(ada)
        tag = await known_is_learned(client, redis_clients("profile"), path)
        statements.clear()

        answer = await get(client, path, tag)

        assert (answer.status_code, answer.headers["ETag"], statements) == (304, tag, [])
        assert answer.headers["Cache-Control"] == "private, no-cache"

    async def test_holds_numbers_and_nothing_of_the_user(self, client, redis_clients):
        redis = redis_clients("profile")
        for path in READS[:2]:
            await known_is_learned(client, redis, path)

        known = await known_in(redis)
        assert all(value.isdigit() for value in known.values())
        assert all([0 < await redis.pttl(name) <= 30_000 for name in known])
        assert len(known) == 2

    @pytest.mark.parametrize(
        ("path", "patched", "patch"),
        [
            ("/me", "/me", {"bio": "1"}),
            ("/users/{}", "/me", {"bio": "1"}),
            ("/me/preferences", "/me/preferences", {"units": None}),
        ],
    )
    async def test_is_forgotten_before_a_change_is_answered(
        self, client, ada, redis_clients, path, patched, patch
    ):
        path = path.format(ada)
        tag = await known_is_learned(client, redis_clients("profile"), path)

        await client.patch(patched, json=patch)

        assert (await get(client, path, tag)).status_code == 200

    async def test_is_forgotten_when_an_event_changes_it(self, profile_app, client, ada, redis_clients):
        tag = await known_is_learned(client, redis_clients("profile"), "/me")

        await profile_app.hear(user_registered(ada))

        assert (await get(client, "/me", tag)).json()["timezone"] == "Europe/London"

    async def test_is_each_user_s_own(self, profile_app, client, redis_clients):
        tag = await known_is_learned(client, redis_clients("profile"), "/me")

        async with profile_app.client(new_id()) as other:
            assert (await get(other, "/me", tag)).json()["version"] == 0

    @pytest.mark.parametrize("condition", ['"v1", "v2"', "*"])
    async def test_is_asked_of_the_database_by_who_names_not_one_version(
        self, client, redis_clients, statements, condition
    ):
        await known_is_learned(client, redis_clients("profile"), "/me")
        statements.clear()

        assert (await get(client, "/me", condition)).status_code == 304
        assert len(statements) == 1


class TestAWrongVersionInRedis:
    async def test_leads_nobody_back_and_is_forgotten(self, client, ada, redis_clients):
        redis = redis_clients("profile")
        await client.patch("/me", json={"bio": "1"})
        await redis.set(f"profile:version:profile:{ada}", 1, px=30_000)

        newest = await get(client, "/me", '"v2"')

        assert (newest.status_code, newest.headers["ETag"]) == (304, '"v2"')

        async def forgotten() -> bool:
            return await redis.get(f"profile:version:profile:{ada}") is None

        await eventually(forgotten)


class TestAReader:
    @pytest.fixture
    def redis(self, redis_clients):
        return redis_clients("operator")

    @pytest.fixture
    def known(self, redis):
        return KnownVersions(redis, prefix="profile:", patience_seconds=10.0, forgetting_seconds=10.0)

    async def test_that_was_overtaken_learns_nothing(self, known, redis):
        """It read before a change, and says what it read after it."""
        look = await known.look("x")
        await known.forget(["x"])

        known.learn(look, 1)
        await asyncio.gather(*known._background)

        assert await redis.get("profile:version:x") is None

    async def test_learns_nothing_when_redis_was_emptied(self, known, redis):
        look = await known.look("x")
        await redis.flushdb()

        known.learn(look, 1)
        await asyncio.gather(*known._background)

        assert await redis.get("profile:version:x") is None

    async def test_alone_may_learn_what_it_asked_about(self, known, redis):
        first, second = await known.look("x"), await known.look("x")

        known.learn(second, 2)
        known.learn(first, 1)
        await asyncio.gather(*known._background)

        assert await redis.get("profile:version:x") == "1"


class TestACommit:
    @pytest.fixture
    def forgotten(self):
        return []

    @pytest.fixture
    def database(self, databases, forgotten):
        async def forget(names: frozenset[str]) -> None:
            forgotten.append(set(names))

        return databases("profile", "api", on_change=forget)

    async def test_that_failed_may_have_happened_and_is_forgotten_all_the_same(
        self, database, forgotten, ada
    ):
        async def lose_the_connection(tx: Transaction) -> None:
            changed(tx, "x")
            raw = await tx.get_raw_connection()
            raw.driver_connection.terminate()

        with pytest.raises(QuartetError):
            await database.in_transaction(ada, lose_the_connection)

        assert forgotten == [{"x"}]

    async def test_in_one_trip_is_forgotten_answered_or_not(self, database, forgotten, ada):
        await in_one_trip(database, "SELECT 1", as_user=ada, changes=["x"])
        with pytest.raises(QuartetError):
            await in_one_trip(database, "SELECT 1 / 0", as_user=ada, changes=["y"])

        assert forgotten == [{"x"}, {"y"}]

    async def test_that_never_came_leaves_what_is_known(self, database, forgotten, ada):
        async def fail(tx: Transaction) -> None:
            changed(tx, "x")
            raise ZeroDivisionError

        async def nothing(tx: Transaction) -> None:
            pass

        with pytest.raises(ZeroDivisionError):
            await database.in_transaction(ada, fail)
        await database.in_transaction(ada, nothing)

        assert forgotten == []


@pytest.fixture
async def own_redis(free_port: int, tmp_path: Path) -> AsyncIterator[OwnRedis]:
    async with own_redis_on(free_port, tmp_path) as redis:
        yield redis


@pytest.fixture
def patience() -> float:
    """Longer than a busy machine takes to hear what Redis said."""
    return 10.0


@pytest.fixture
async def two_apis(databases, superuser, own_redis, patience) -> AsyncIterator[tuple[ProfileApp, ProfileApp]]:
    """Two processes of the api and one Redis, which may be harmed."""

    def an_api():
        # no limit of its own ends what waits for it
        redis = own_redis.client(retries=1, socket_timeout=120.0)
        return profile_app_with(databases, redis, patience_seconds=patience, forgetting_seconds=patience)

    async with an_api() as one, an_api() as other:
        yield one, other


class Devices:
    """Of one user, at both apis by turns: some change the profile, the others ask whether it has changed."""

    def __init__(self, apis: tuple[ProfileApp, ProfileApp], user_id: UUID) -> None:
        self._clients = [api.client(user_id) for api in apis]
        self._turn = 0
        self.answered = 0
        """The newest version that any change was answered with."""
        self.older_than_own: list[tuple[int, int]] = []
        self.older_than_answered: list[tuple[int, int]] = []

    def _client(self) -> httpx.AsyncClient:
        self._turn += 1
        return self._clients[self._turn % 2]

    async def _answer(self, method: str, **given: Any) -> httpx.Response:
        """A 503 says to try again: a busy machine's pool may make somebody wait for too long."""

        async def answer() -> httpx.Response:
            found = await self._client().request(method, "/me", **given)
            assert found.status_code != 503
            return found

        return await eventually(answer, within=20.0)

    async def write(self, times: int) -> None:
        for _ in range(times):
            answer = await self._answer("PATCH", json={"bio": f"{self._turn}"})
            assert answer.status_code == 200
            self.answered = max(self.answered, answer.json()["version"])

    async def read(self, times: int) -> None:
        own = 0
        for _ in range(times):
            answered = self.answered
            answer = await self._answer("GET", headers={"If-None-Match": f'"v{own}"'})
            assert answer.status_code in {200, 304}
            shown = int(answer.headers["ETag"].strip('"v'))
            if shown < own:
                self.older_than_own.append((shown, own))
            if shown < answered:
                self.older_than_answered.append((shown, answered))
            own = shown

    async def all_at_once(self, times: int = 6) -> None:
        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            for _ in range(2):
                group.create_task(self.write(times))
            for _ in range(4):
                group.create_task(self.read(2 * times))


class TestDevicesOfOneUser:
    async def test_are_never_shown_less_than_a_change_was_answered_with(self, two_apis, own_redis, ada):
        devices = Devices(two_apis, ada)
        operator = own_redis.client()

        await devices.all_at_once()
        await asyncio.gather(devices.all_at_once(), *(operator.flushall() for _ in range(5)))
        await asyncio.gather(devices.all_at_once(), own_redis.kill())
        await devices.all_at_once(3)
        await own_redis.start()
        await devices.all_at_once()

        assert (devices.older_than_answered, devices.older_than_own) == ([], [])

    @pytest.mark.parametrize("patience", [0.1])
    async def test_are_led_back_by_no_redis_that_stood_still(self, two_apis, own_redis, ada):
        """It had no chance to hear of the changes: other devices may be late then, each goes only forward."""
        devices = Devices(two_apis, ada)
        await devices.all_at_once(3)
        own_redis.pause()
        await devices.all_at_once(4)
        own_redis.go_on()
        await devices.all_at_once(3)

        newest = f'"v{devices.answered}"'

        async def is_shown() -> bool:
            answers = [await get(client, "/me", '"v1"') for client in devices._clients]
            return {answer.headers["ETag"] for answer in answers} == {newest}

        await eventually(is_shown)
        assert devices.older_than_own == []
