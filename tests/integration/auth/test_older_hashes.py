import asyncio

import bcrypt
import pytest

from auth_service.domain.passwords import HashingCost, Passwords
from auth_service.storage.credentials import renew_hash
from tests.support.accounts import add_user
from tests.support.blocked import blocked
from tests.support.waiting import eventually

ADA = "ada@example.org"
PASSWORD = "correct horse battery"
OLDER = {
    "bcrypt 2a": bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4, prefix=b"2a")).decode(),
    "bcrypt 2b": bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode(),
    "cheaper argon2id": Passwords(HashingCost(memory_kib=64, passes=1)).hash(PASSWORD),
}


@pytest.fixture
def stored(superuser):
    async def stored() -> str:
        return await superuser.fetchval("select hashed_password from auth.users")

    return stored


class TestAnOlderHash:
    @pytest.mark.parametrize("hashed", OLDER.values(), ids=OLDER)
    async def test_is_replaced_at_login_and_still_fits(self, auth_app, superuser, stored, hashed):
        await add_user(superuser, email=ADA, hashed_password=hashed)

        await asyncio.gather(*(auth_app.log_in(ADA, PASSWORD) for _ in range(3)))

        cost = auth_app.settings.hashing.cost
        assert (await stored()).startswith(f"$argon2id$v=19$m={cost.memory_kib},t={cost.passes},p=1$")
        assert await superuser.fetchval("select version from auth.users") == 1
        await auth_app.log_in(ADA, PASSWORD)

    async def test_is_replaced_once_by_two_who_come_at_once(self, auth_app, superuser, stored):
        await add_user(superuser, email=ADA, hashed_password=OLDER["cheaper argon2id"])
        counting = superuser.transaction()
        await counting.start()
        await superuser.execute("select from auth.login_stats for update")

        async def both_wait() -> bool:
            return await blocked(superuser) == 2

        logins = [asyncio.create_task(auth_app.log_in(ADA, PASSWORD)) for _ in range(2)]
        await eventually(both_wait)
        await counting.commit()

        await asyncio.gather(*logins)
        assert await superuser.fetchval("select login_count from auth.login_stats") == 2

    async def test_is_left_alone_by_a_wrong_password(self, auth_app, superuser, stored):
        await add_user(superuser, email=ADA, hashed_password=OLDER["bcrypt 2b"])
        async with auth_app.client() as client:
            await client.post("/login", json={"email": ADA, "password": "wrong horse battery"})

        assert await stored() == OLDER["bcrypt 2b"]

    async def test_of_today_is_left_alone(self, auth_app, superuser, stored):
        today = await auth_app.resources.hashing.hash(PASSWORD)
        await add_user(superuser, email=ADA, hashed_password=today)

        await auth_app.log_in(ADA, PASSWORD)

        assert await stored() == today

    async def test_never_brings_back_a_password_that_was_changed_meanwhile(self, auth_app, superuser, stored):
        user_id = await add_user(superuser, email=ADA, hashed_password="of the new password")
        async with auth_app.database.transaction(as_user=user_id) as tx:
            await renew_hash(tx, user_id=user_id, former=OLDER["bcrypt 2b"], renewed="of the old password")

        assert await stored() == "of the new password"
