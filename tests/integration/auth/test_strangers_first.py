"""Somebody registers an address before the one whose mails arrive there, and never gets in."""

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest

from auth_service.usecases.address_mail import Addressed, Links, address_mail
from auth_service.usecases.request_mail import Mail
from common.clock import utc_now
from common.ids import new_id
from tests.support.auth_app import AuthApp

ADA = "ada@example.org"
THEIRS, HERS, CHOSEN = "staple correct horse", "correct horse battery", "a third of the long ones"


@pytest.fixture
def register(auth_app: AuthApp):
    async def register(password: str) -> None:
        async with auth_app.client() as client:
            await client.post("/register", json={"email": ADA, "password": password})

    return register


@pytest.fixture
def links(superuser):
    async def links() -> list[asyncpg.Record]:
        return await superuser.fetch("select * from auth.mail_links order by id")

    return links


@pytest.fixture
def resent(auth_app: AuthApp, superuser) -> Callable[[], Awaitable[Addressed | None]]:
    """What the job of a mail that was asked for anew has to say; nothing the second time within a minute."""
    pages = Links("https://app.example.org", auth_app.resources.macs)

    async def resent() -> Addressed | None:
        user_id, about = await superuser.fetchval("select id from auth.users"), new_id()
        await superuser.execute("update auth.mail_links set created_at = created_at - interval '1 minute'")
        async with auth_app.database.transaction(as_user=user_id) as tx:
            first = await address_mail(
                tx, Mail.VERIFY_EMAIL, pages, user_id=user_id, about=about, now=utc_now()
            )
        async with auth_app.database.transaction(as_user=user_id) as tx:
            again = await address_mail(
                tx, Mail.VERIFY_EMAIL, pages, user_id=user_id, about=about, now=utc_now()
            )
        assert again == first, "a job that is carried out twice says the same"
        return first

    return resent


@pytest.fixture
def use(auth_app: AuthApp):
    async def use(path: str, mail: Addressed, **more: str) -> int:
        token = parse_qs(urlsplit(mail.values["link"]).query)["token"][0]
        async with auth_app.client() as client:
            return (await client.post(path, json={"token": token, **more})).status_code

    return use


@pytest.fixture
def logs_in(auth_app: AuthApp):
    async def logs_in(password: str) -> bool:
        async with auth_app.client() as client:
            answer = await client.post("/login", json={"email": ADA, "password": password})
        return answer.status_code == 200

    return logs_in


class TestTheOwner:
    async def test_gets_a_mail_of_their_own_a_moment_after_a_stranger(self, register, links, superuser):
        """Else the only mail there carries the stranger's link, which sets the stranger's password."""
        await register(THEIRS)
        await register(HERS)

        assert len(await links()) == 2
        assert await superuser.fetchval("select count(*) from auth.jobs where kind = 'mail'") == 2

    async def test_who_asks_for_another_mail_chooses_a_password(
        self, register, resent, use, logs_in, superuser
    ):
        """The account has the stranger's: a link that verified it would let the stranger in."""
        await register(THEIRS)
        await register(HERS)

        mail = await resent()

        assert mail is not None
        assert (mail.mail, mail.to) == (Mail.RESET_PASSWORD, ADA)
        assert await use("/verify-email", mail) == 422
        assert await use("/password/reset/confirm", mail, new_password=CHOSEN) == 204
        assert await superuser.fetchval("select is_verified from auth.users")
        assert [await logs_in(password) for password in (THEIRS, HERS, CHOSEN)] == [False, False, True]

    async def test_chooses_one_too_once_nobody_knows_any_more_who_has_registered(
        self, register, resent, superuser
    ):
        await register(THEIRS)
        await superuser.execute("delete from auth.mail_links")

        mail = await resent()

        assert mail is not None
        assert mail.mail is Mail.RESET_PASSWORD

    async def test_alone_gets_the_link_once_more(self, register, resent, use, logs_in):
        await register(HERS)

        mails = [await resent(), await resent()]

        assert [mail and mail.mail for mail in mails] == [Mail.VERIFY_EMAIL, Mail.VERIFY_EMAIL]
        assert await use("/verify-email", mails[1]) == 204
        assert await logs_in(HERS)

    @pytest.mark.parametrize("change", ["is_verified = true", "is_active = false", "hashed_password = null"])
    async def test_gets_none_that_they_do_not_need(self, register, resent, superuser, change: Any):
        await register(THEIRS)
        await register(HERS)
        await superuser.execute(f"update auth.users set {change}")

        assert await resent() is None
