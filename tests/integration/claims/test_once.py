import asyncio
import itertools

import pytest
import sqlalchemy as sa

from common.errors import QuartetError, unavailable
from tests.integration.claims.rows import refresh, store
from tests.support.interrupting import CancelledAt
from tests.support.waiting import eventually, happens, throughout


class Provider:
    """What must be asked once."""

    def __init__(self) -> None:
        self.calls = 0
        self.asked = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.error: Exception | None = None

    async def __call__(self, claim) -> str:
        self.calls += 1
        self.asked.set()
        await self.may_answer.wait()
        if self.error is not None:
            raise self.error
        return f"secret {self.calls}"


@pytest.fixture
def provider():
    return Provider()


class TestManyCallers:
    async def test_of_several_processes_get_one_answer(
        self, once_on, database, redis_clients, tokens, provider
    ):
        token = await tokens.make()
        processes = [once_on(database, redis_clients("auth")) for _ in range(4)]

        answers = await asyncio.gather(
            *(process.do(refresh(token, provider)) for process in processes for _ in range(50))
        )

        assert set(answers) == {"secret 1"}
        assert provider.calls == 1
        assert await tokens.effects(token) == [(2, "secret 1")]
        assert await tokens.state(token) == ("ok", 2, None)

    async def test_get_one_answer_without_redis_too(self, once_on, database, nobody, tokens, provider):
        token = await tokens.make()
        processes = [once_on(database, nobody, patience_seconds=0.05) for _ in range(4)]

        answers = await asyncio.gather(
            *(process.do(refresh(token, provider)) for process in processes for _ in range(50))
        )

        assert set(answers) == {"secret 1"}
        assert provider.calls == 1
        assert await tokens.effects(token) == [(2, "secret 1")]

    async def test_who_come_later_get_what_is_there(self, once, tokens, provider):
        token = await tokens.make()

        assert [await once.do(refresh(token, provider)) for _ in range(3)] == ["secret 1"] * 3
        assert provider.calls == 1

    async def test_hold_no_connection_while_the_work_is_done(self, once, database, tokens, provider):
        token = await tokens.make()
        provider.may_answer.clear()
        asked = asyncio.create_task(once.do(refresh(token, provider)))
        await happens(provider.asked)

        assert database.pool.checked_out == 0

        provider.may_answer.set()
        await asked

    async def test_who_are_different_users_share_nothing(self, once, tokens, provider):
        token = await tokens.make()
        stranger = refresh(token, provider, as_user=token)
        owner = refresh(token, provider)

        results = await asyncio.gather(once.do(stranger), once.do(owner), return_exceptions=True)

        assert isinstance(results[0], sa.exc.NoResultFound)
        assert results[1] == "secret 1"


class TestWorkThatFails:
    async def test_is_told_and_frees_the_row(self, once, tokens, provider):
        token = await tokens.make()
        provider.error = LookupError("planted")

        with pytest.raises(LookupError):
            await once.do(refresh(token, provider))

        assert await tokens.state(token) == ("ok", 1, None)
        provider.error = None
        assert await once.do(refresh(token, provider)) == "secret 2"

    async def test_leaves_the_row_as_abandoned_where_it_may_not_be_done_again(self, once, tokens, provider):
        token = await tokens.make()
        provider.error = LookupError("planted")

        with pytest.raises(LookupError):
            await once.do(refresh(token, provider, abandoned="unknown"))

        assert await tokens.state(token) == ("unknown", 1, None)

    async def test_by_taking_too_long_is_stopped_before_the_claim_ends(self, once, tokens, provider):
        token = await tokens.make()
        provider.may_answer.clear()

        with pytest.raises(QuartetError, match=r"claim\.work_too_long"):
            await once.do(refresh(token, provider, work_seconds=0.2))

        assert await tokens.state(token) == ("ok", 1, None)

    async def test_because_the_database_is_away_when_it_is_to_be_stored_is_stored_later(
        self, once, tokens, provider
    ):
        token = await tokens.make()
        failures = iter([True, True, False])
        work = refresh(token, provider)

        async def fails_twice(tx, claim, secret):
            if next(failures):
                raise unavailable("database.unavailable", "planted")
            return await store(tx, claim, secret)

        object.__setattr__(work, "store", fails_twice)

        assert await once.do(work) == "secret 1"
        assert await tokens.effects(token) == [(2, "secret 1")]


class TestAnotherWhoIsAtIt:
    async def test_is_waited_for_no_longer_than_was_said(self, once, tokens, provider, superuser):
        token = await claimed_by_another(tokens, superuser)

        with pytest.raises(QuartetError, match=r"claim\.busy"):
            await once.do(refresh(token, provider, wait_seconds=0.1))

        assert provider.calls == 0

    async def test_and_was_lost_is_followed_and_the_work_told_of_it(self, once, tokens, superuser):
        token = await claimed_by_another(tokens, superuser)
        told = []

        async def do(claim) -> str:
            told.append(claim.taken_over)
            return "secret"

        asked = asyncio.create_task(once.do(refresh(token, do)))
        await throughout(lambda: not asked.done(), seconds=0.2)
        await tokens.run_out(token)

        assert await asked == "secret"
        assert told == [True]

    async def test_and_takes_the_claim_meanwhile_makes_what_was_done_here_count_for_nothing(
        self, once, tokens, provider, superuser
    ):
        token = await tokens.make()
        provider.may_answer.clear()
        asked = asyncio.create_task(once.do(refresh(token, provider)))
        await happens(provider.asked)
        await superuser.execute(
            "update auth.claimed_tokens set version = 2, secret = 'theirs', state = 'ok', claim = null"
        )

        provider.may_answer.set()

        assert await asked == "theirs"
        assert await tokens.effects(token) == []


class TestCancellation:
    async def test_wherever_it_comes_leaves_no_claim_and_no_lock(
        self, once_on, database, redis, tokens, provider
    ):
        token = await tokens.make()
        version = 1
        for step in itertools.count(1):
            once = once_on(database, redis)

            cancelled = await CancelledAt(flying(once, refresh(token, provider, version=version)), step).run()

            await once.close()
            await once._locks.close()
            state, version, claim = await tokens.state(token)
            assert (state, claim) == ("ok", None), f"cancelled at step {step}"
            assert await redis.exists(f"auth:lock:claimed_tokens:{token}") == 0, f"cancelled at step {step}"
            if not cancelled:
                break

        assert step > 5
        assert [made for made, _ in await tokens.effects(token)] == list(range(2, version + 1))

    async def test_of_one_caller_is_not_the_others_business(self, once, tokens, provider):
        token = await tokens.make()
        provider.may_answer.clear()
        first, second = (asyncio.create_task(once.do(refresh(token, provider))) for _ in range(2))
        await happens(provider.asked)

        first.cancel()
        await asyncio.wait([first])
        provider.may_answer.set()

        assert await second == "secret 1"
        assert provider.calls == 1

    async def test_of_all_callers_ends_the_work_and_frees_the_row(self, once, tokens, provider):
        token = await tokens.make()
        provider.may_answer.clear()
        asked = asyncio.create_task(once.do(refresh(token, provider)))
        await happens(provider.asked)

        asked.cancel()
        await asyncio.wait([asked])

        await eventually(lambda: is_free(tokens, token))


async def flying(once, work) -> None:
    """Past the single flight, whose own task a cancelled caller does not wait for."""
    await once._do(work)


async def is_free(tokens, token) -> bool:
    return await tokens.state(token) == ("ok", 1, None)


async def claimed_by_another(tokens, superuser):
    token = await tokens.make()
    await superuser.execute(
        "update auth.claimed_tokens set state = 'refreshing', claim = gen_random_uuid(),"
        " claim_until = now() + interval '1 hour'"
    )
    return token
