from uuid import UUID

import asyncpg
import pytest

from auth_service.domain.email import EmailAddress
from auth_service.domain.macs import Macs
from auth_service.usecases.ask_for_email_change import ask_for_email_change
from auth_service.usecases.deactivate import deactivate
from auth_service.usecases.own_password import Claim
from common.clock import utc_now
from common.ids import new_id
from common.postgres.engine import Database
from tests.support.accounts import DEVICE, add_user

NEW = EmailAddress(shown="eve@example.org", compared="eve@example.org")


class SlowHashing:
    """While the old password is looked at, its owner sets another one."""

    def __init__(self, superuser: asyncpg.Connection) -> None:
        self._superuser = superuser

    async def matches(self, password: str, stored: str | None) -> bool:
        await self._superuser.execute("update auth.users set hashed_password = 'another'")
        return True


@pytest.fixture
async def ada(superuser) -> UUID:
    return await add_user(superuser, hashed_password="a hash")


@pytest.fixture
def auth(databases) -> Database:
    return databases("auth", "api")


@pytest.fixture
def asked(auth, superuser, ada):
    """What every request of hers is told with."""
    of_whom = auth, SlowHashing(superuser), Macs({"k": bytes(32)}, active="k")
    return of_whom, Claim(ada, None, "old", DEVICE), {"now": utc_now(), "new_id": new_id}


class TestAPasswordThatWasChangedMeanwhile:
    async def test_closes_no_account(self, asked, superuser):
        of_whom, claim, told = asked

        assert not await deactivate(*of_whom, claim, **told)
        assert await superuser.fetchval("select is_active from auth.users")
        assert await superuser.fetchval("select action from auth.audit_log") == "account.deactivation_refused"

    async def test_asks_for_no_other_address(self, asked, superuser):
        of_whom, claim, told = asked

        assert not await ask_for_email_change(*of_whom, NEW, claim, **told)
        assert await superuser.fetchval("select count(*) from auth.mail_links") == 0
        assert await superuser.fetchval("select action from auth.audit_log") == "email.change_refused"
