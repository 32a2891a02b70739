import asyncio
import json
from uuid import UUID

import asyncpg
import pytest

from auth_service.domain.links import LinkToken, Purpose
from tests.support.accounts import add_user
from tests.support.auth_app import AuthApp

ADA = "ada@example.org"
FIRST, SECOND = "correct horse battery", "staple correct horse"


@pytest.fixture
def register(auth_app: AuthApp):
    async def register(email: str = ADA, password: str = FIRST):
        async with auth_app.client() as client:
            return await client.post("/register", json={"email": email, "password": password})

    return register


@pytest.fixture
def verify(auth_app: AuthApp):
    async def verify(link: asyncpg.Record, purpose: Purpose = Purpose.VERIFY_EMAIL):
        token = LinkToken(link["user_id"], link["id"]).written(auth_app.resources.macs, purpose)
        async with auth_app.client() as client:
            return await client.post("/verify-email", json={"token": token})

    return verify


@pytest.fixture
def links(superuser):
    async def links() -> list[asyncpg.Record]:
        return await superuser.fetch("select * from auth.mail_links order by created_at, id")

    return links


@pytest.fixture
def mails(superuser):
    async def mails() -> list[str]:
        rows = await superuser.fetch(
            "select arguments from auth.jobs where kind = 'mail' order by created_at"
        )
        return [json.loads(row["arguments"])["mail"] for row in rows]

    return mails


@pytest.fixture
def let_a_minute_pass(superuser):
    async def let_a_minute_pass() -> None:
        await superuser.execute("update auth.mail_links set created_at = created_at - interval '1 minute'")

    return let_a_minute_pass


async def may_log_in(auth_app: AuthApp, password: str) -> bool:
    async with auth_app.client() as client:
        answer = await client.post("/login", json={"email": ADA, "password": password})
    return answer.status_code == 200


class TestRegistration:
    async def test_makes_an_account_that_is_not_verified_and_tells_of_it(self, register, superuser, mails):
        answer = await register()

        assert (answer.status_code, answer.json()) == (202, {"status": "check_your_mail"})
        user = await superuser.fetchrow("select * from auth.users")
        assert (user["email"], user["is_verified"], user["role"]) == (ADA, False, "user")
        assert await superuser.fetchval("select type from auth.outbox") == "user.registered"
        assert await mails() == ["verify_email"]

    async def test_of_an_address_ten_times_at_once_makes_one_account(self, register, superuser):
        answers = await asyncio.gather(*(register() for _ in range(10)))

        assert {answer.status_code for answer in answers} == {202}
        assert await superuser.fetchval("select count(*) from auth.users") == 1
        assert await superuser.fetchval("select count(*) from auth.outbox") == 1

    async def test_once_more_within_a_minute_sends_no_other_mail(self, register, mails):
        await register()
        await register()

        assert await mails() == ["verify_email"]

    async def test_of_somebody_s_address_changes_nothing_and_tells_the_owner(
        self, register, superuser, mails, links, verify
    ):
        owner = await add_user(superuser, email=ADA, hashed_password="kept")

        answer = await register(password=SECOND)

        assert (answer.status_code, answer.json()) == (202, {"status": "check_your_mail"})
        assert await superuser.fetchval("select hashed_password from auth.users") == "kept"
        assert await mails() == ["account_exists"]
        assert [(await verify(link)).status_code for link in await links()] == [422]
        assert await superuser.fetchval("select user_id from auth.audit_log") == owner


class TestVerification:
    async def test_makes_the_address_the_user_s(self, register, verify, links, superuser):
        await register()
        (link,) = await links()

        answer = await verify(link)

        assert answer.status_code == 204
        assert await superuser.fetchval("select is_verified from auth.users")

    async def test_gives_the_account_to_whoever_reads_the_mail(
        self, auth_app, register, verify, links, let_a_minute_pass
    ):
        await register(password=FIRST)
        await let_a_minute_pass()
        await register(password=SECOND)
        first, second = await links()

        answers = [await verify(second), await verify(first)]

        assert [answer.status_code for answer in answers] == [204, 422]
        assert await may_log_in(auth_app, SECOND)
        assert not await may_log_in(auth_app, FIRST)

    async def test_ends_the_sessions_of_whoever_was_there_before(self, register, verify, links, superuser):
        await register()
        (link,) = await links()
        user_id: UUID = link["user_id"]
        await superuser.execute(
            """
            insert into auth.authentication_sessions (id, user_id, expires_at, ends_at, amr, auth_time)
            values (gen_random_uuid(), $1, now() + '1 day', now() + '1 day', '{pwd}', now())
            """,
            user_id,
        )

        await verify(link)

        assert (
            await superuser.fetchval("select bool_or(is_active) from auth.authentication_sessions") is False
        )

    async def test_works_once(self, register, verify, links):
        await register()
        (link,) = await links()

        answers = await asyncio.gather(*(verify(link) for _ in range(5)))

        assert sorted(answer.status_code for answer in answers) == [204, 422, 422, 422, 422]

    async def test_comes_too_late_after_a_day(self, register, verify, links, superuser):
        await register()
        await superuser.execute("update auth.mail_links set expires_at = now()")

        answer = await verify((await links())[0])

        assert (answer.status_code, answer.json()["code"]) == (422, "link.invalid")

    async def test_takes_no_link_of_another_purpose(self, register, verify, links):
        await register()

        answer = await verify((await links())[0], Purpose.RESET_PASSWORD)

        assert answer.status_code == 422

    @pytest.mark.parametrize("token", ["x", "ql1_", "ql1_" + "A" * 64, "ql1_" + "é" * 64])
    async def test_takes_nothing_that_was_made_up(self, auth_app, token):
        async with auth_app.client() as client:
            answer = await client.post("/verify-email", json={"token": token})

        assert (answer.status_code, answer.json()["code"]) == (422, "link.invalid")


class TestLogin:
    @pytest.fixture
    def log_in(self, auth_app: AuthApp):
        async def log_in(password: str) -> tuple[int, str]:
            async with auth_app.client() as client:
                answer = await client.post("/login", json={"email": ADA, "password": password})
            return answer.status_code, answer.json().get("code", "")

        return log_in

    async def test_of_an_address_that_is_not_verified_is_refused_to_whoever_knows_the_password(
        self, register, log_in, superuser
    ):
        await register(password=FIRST)

        assert await log_in(FIRST) == (403, "email.unverified")
        assert await log_in(SECOND) == (401, "credentials.wrong")
        assert await superuser.fetchval("select count(*) from auth.authentication_sessions") == 0
        assert await superuser.fetchval("select login_count from auth.login_stats") == 0

    async def test_is_let_in_once_the_link_was_used(self, register, verify, links, log_in):
        await register(password=FIRST)
        await verify((await links())[0])

        assert await log_in(FIRST) == (200, "")

    async def test_with_a_password_that_let_in_once_and_was_changed_is_wrong(
        self, register, verify, links, log_in, superuser
    ):
        await register(password=FIRST)
        await verify((await links())[0])
        await log_in(FIRST)
        await superuser.execute("update auth.users set hashed_password = null")

        assert await log_in(FIRST) == (401, "credentials.wrong")


class TestResend:
    @pytest.mark.parametrize("email", [ADA, "nobody@example.org"])
    async def test_answers_and_asks_the_same_for_every_address(self, auth_app, superuser, mails, email):
        await add_user(superuser, email=ADA, is_verified=False)
        async with auth_app.client() as client:
            answer = await client.post("/verify-email/resend", json={"email": email})

        assert (answer.status_code, answer.json()) == (202, {"status": "check_your_mail"})
        assert await mails() == ["verify_email"]
