"""Many who ask about versions at once ask Redis together, and each gets an answer."""

import asyncio

import pytest

from common.known_versions import KnownVersions, Look


class TestWhoAsksAtOnce:
    @pytest.fixture
    def redis(self, redis_clients):
        return redis_clients("operator")

    @pytest.fixture
    def known(self, redis):
        return KnownVersions(redis, prefix="profile:", patience_seconds=10.0)

    @pytest.fixture
    def questions(self, known):
        """The names of each question that Redis was asked."""
        take, asked = known._take, []

        async def noted(*, keys, args):
            asked.append([key.removeprefix("profile:version:") for key in keys])
            return await take(keys=keys, args=args)

        known._take = noted
        return asked

    async def test_asks_one_question_and_is_answered_each_for_itself(self, known, redis, questions):
        await redis.set("profile:version:x", 3)

        x, first, second = await asyncio.gather(*(known.look(name) for name in ("x", "y", "y")))

        assert questions == [["x", "y", "y"]]
        assert (x.version, first.version, second.version) == (3, None, None)
        assert first.token is not None
        assert (x.token, second.token) == (None, None)

    async def test_is_answered_although_another_has_left(self, known, redis):
        await redis.set("profile:version:x", 3)
        leaving, staying = (asyncio.ensure_future(known.look("x")) for _ in range(2))
        await asyncio.wait({leaving, staying}, timeout=0)

        leaving.cancel()

        assert (await asyncio.wait_for(staying, timeout=10)).version == 3

    async def test_asks_the_database_when_what_is_there_is_no_version(self, known, redis):
        await redis.set("profile:version:x", "three")

        looks = await asyncio.wait_for(asyncio.gather(known.look("x"), known.look("y")), timeout=10)

        assert looks == [Look("x"), Look("y")]
