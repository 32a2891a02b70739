import asyncio
from datetime import timedelta

import pytest

from auth_service.domain.key_rotation import KeyState, Rotation
from auth_service.usecases.rotate_signing_keys import replace_signing_keys, rotate_signing_keys
from auth_service.usecases.signing_keys import LOOK_AGAIN_SECONDS, SigningKeys
from common.clock import utc_now
from common.ids import new_id
from common.postgres.context import Context
from tests.support.auth_app import AuthApp


@pytest.fixture
def worker(databases):
    return databases("auth", "worker")


@pytest.fixture
def turn(auth_app: AuthApp, worker):
    """The worker looks after the keys once, so much later."""
    cipher = auth_app.settings.keys.cipher(auth_app.settings.environment)

    async def turn(later: timedelta = timedelta(), *, asked: bool = False):
        async with worker.transaction(as_user=Context.SYSTEM) as tx:
            return await rotate_signing_keys(
                tx, cipher, Rotation(), now=utc_now() + later, new_id=new_id, asked=asked
            )

    return turn


@pytest.fixture
async def states(superuser):
    async def states() -> list[str]:
        rows = await superuser.fetch("select state from auth.signing_keys order by created_at")
        return [row["state"] for row in rows]

    return states


class TestSigningKeys:
    async def test_are_followed_without_a_moment_in_which_none_signs(self, turn, states):
        await turn(asked=True)
        published = await states()
        await turn(timedelta(minutes=10))
        followed = await states()
        await turn(timedelta(minutes=25))

        assert (published, followed, await states()) == (
            ["active", "pending"],
            ["retiring", "active"],
            ["retired", "active"],
        )

    async def test_of_the_past_leave_no_private_half(self, turn, superuser):
        for later in (0, 10, 25):
            await turn(timedelta(minutes=later), asked=later == 0)

        kept = await superuser.fetchval(
            "select private_sealed from auth.signing_keys where state = 'retired'"
        )
        assert kept is None

    async def test_are_rotated_by_one_of_several_workers(self, turn, states):
        await asyncio.gather(*(turn(asked=True) for _ in range(5)))

        assert await states() == ["active", "pending"]

    async def test_that_wait_are_published_already(self, auth_app, turn):
        await turn(asked=True)

        assert len(await auth_app.resources.signing_keys.public()) == 2

    async def test_sign_anew_without_a_restart(self, auth_app, turn):
        now = 0.0
        cipher = auth_app.settings.keys.cipher(auth_app.settings.environment)
        keys = SigningKeys(auth_app.database, cipher, monotonic=lambda: now)
        before = await keys.signing()
        await turn(asked=True)
        await turn(timedelta(minutes=10))

        kept = await keys.signing()
        now = LOOK_AGAIN_SECONDS + 1
        after = await keys.signing()

        assert before.kid == kept.kid != after.kid

    async def test_that_may_be_stolen_are_replaced_at_once(self, auth_app, worker, superuser):
        cipher = auth_app.settings.keys.cipher(auth_app.settings.environment)
        async with worker.transaction(as_user=Context.SYSTEM) as tx:
            await replace_signing_keys(tx, cipher, now=utc_now(), new_id=new_id)

        (public,) = await auth_app.resources.signing_keys.public()
        assert (
            await superuser.fetchval("select kid from auth.signing_keys where state = $1", KeyState.ACTIVE)
            == public["kid"]
        )

    async def test_changes_of_them_are_written_down(self, turn, superuser):
        await turn(asked=True)

        actions = await superuser.fetch("select action from auth.audit_log order by id")
        assert [row["action"] for row in actions] == ["signing_key.pending"]
