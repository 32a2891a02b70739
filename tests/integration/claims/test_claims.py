import asyncio

import pytest

from common.claims import ClaimLostError, Claims
from common.ids import new_id
from common.postgres.context import Context
from tests.integration.claims.rows import TOKENS, store


@pytest.fixture
def take(database):
    async def take_one(token_id, *, version=1, seconds=60.0, as_user=Context.SYSTEM):
        async with database.transaction(as_user=as_user) as tx:
            return await TOKENS.take(tx, token_id, version=version, claim_id=new_id(), seconds=seconds)

    return take_one


@pytest.fixture
def finish(database):
    async def finish_one(claim, secret="second"):
        async with database.transaction(as_user=Context.SYSTEM) as tx:
            return await store(tx, claim, secret)

    return finish_one


class TestAClaim:
    async def test_has_one_holder(self, tokens, take):
        token = await tokens.make()

        taken = [claim for claim in await asyncio.gather(*(take(token) for _ in range(8))) if claim]

        assert len(taken) == 1
        assert not taken[0].taken_over
        assert await tokens.state(token) == ("refreshing", 1, taken[0].id)

    async def test_is_taken_on_the_version_that_was_seen(self, tokens, take, finish):
        token = await tokens.make()
        await finish(await take(token))

        assert await take(token, version=1) is None
        assert await take(token, version=2) is not None

    async def test_is_not_taken_in_any_other_state(self, tokens, take, superuser):
        token = await tokens.make()
        await superuser.execute("update auth.claimed_tokens set state = 'revoked'")

        assert await take(token) is None

    async def test_that_ran_out_by_the_database_s_clock_is_taken_over_and_says_so(self, tokens, take):
        token = await tokens.make()
        await take(token)
        assert await take(token) is None
        await tokens.run_out(token)

        other = await take(token)

        assert other.taken_over
        assert (await tokens.row(token))["claim"] == other.id

    async def test_of_another_s_row_is_refused(self, tokens, take):
        user = new_id()
        own, others = await tokens.make(user), await tokens.make()

        assert await take(others, as_user=user) is None
        assert await take(own, as_user=user) is not None

    async def test_ends_at_the_database_no_earlier_than_here(self, tokens, take, superuser):
        token = await tokens.make()

        claim = await take(token, seconds=60.0)
        there = await superuser.fetchval(
            "select extract(epoch from claim_until - clock_timestamp()) from auth.claimed_tokens"
        )
        here = claim.taken_at + 60.0 - TOKENS._now()

        assert here <= float(there)


class TestFinishing:
    async def test_writes_what_came_of_it_and_lets_go(self, tokens, take, finish):
        token = await tokens.make()

        await finish(await take(token))

        row = await tokens.row(token)
        assert (row["version"], row["secret"], row["state"]) == (2, "second", "ok")
        assert (row["claim"], row["claim_until"]) == (None, None)

    async def test_under_a_claim_that_was_taken_over_writes_nothing(self, tokens, take, finish):
        token = await tokens.make()
        late = await take(token)
        await tokens.run_out(token)
        other = await take(token)

        with pytest.raises(ClaimLostError):
            await finish(late, "stale")

        assert await tokens.effects(token) == []
        await finish(other, "fresh")
        assert await tokens.effects(token) == [(2, "fresh")]

    async def test_twice_is_once(self, tokens, take, finish):
        token = await tokens.make()
        claim = await take(token)

        await finish(claim)
        with pytest.raises(ClaimLostError):
            await finish(claim)

        assert await tokens.effects(token) == [(2, "second")]

    async def test_what_was_changed_past_the_claim_writes_nothing(self, tokens, take, finish, superuser):
        token = await tokens.make()
        claim = await take(token)
        await superuser.execute("update auth.claimed_tokens set version = version + 1")

        with pytest.raises(ClaimLostError):
            await finish(claim)

    async def test_can_leave_the_row_in_another_state(self, database, tokens, take):
        token = await tokens.make()
        claim = await take(token)

        async with database.transaction(as_user=Context.SYSTEM) as tx:
            assert await TOKENS.finish(tx, claim, {}, state="unknown") == 2

        assert await tokens.state(token) == ("unknown", 2, None)


class TestExtending:
    async def test_keeps_others_out(self, database, tokens, take):
        token = await tokens.make()
        claim = await take(token)
        await tokens.run_out(token)

        async with database.transaction(as_user=Context.SYSTEM) as tx:
            await TOKENS.extend(tx, claim, seconds=60.0)

        assert await take(token) is None

    async def test_what_is_another_s_by_now_is_refused(self, database, tokens, take):
        token = await tokens.make()
        late = await take(token)
        await tokens.run_out(token)
        await take(token)

        with pytest.raises(ClaimLostError):
            async with database.transaction(as_user=Context.SYSTEM) as tx:
                await TOKENS.extend(tx, late, seconds=60.0)


class TestGivingUp:
    async def test_frees_the_row_as_it_was(self, database, tokens, take):
        token = await tokens.make()
        claim = await take(token)

        async with database.transaction(as_user=Context.SYSTEM) as tx:
            assert await TOKENS.give_up(tx, token, claim.id)

        assert await tokens.state(token) == ("ok", 1, None)

    async def test_what_is_another_s_by_now_changes_nothing(self, database, tokens, take):
        token = await tokens.make()
        late = await take(token)
        await tokens.run_out(token)
        other = await take(token)

        async with database.transaction(as_user=Context.SYSTEM) as tx:
            assert not await TOKENS.give_up(tx, token, late.id)

        assert await tokens.state(token) == ("refreshing", 1, other.id)


class TestNames:
    def test_come_from_code_and_look_like_it(self):
        with pytest.raises(ValueError, match="no plain name"):
            Claims("tokens; drop table users", free="ok", held="held")
