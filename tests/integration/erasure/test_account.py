"""An account that its owner erases: what goes at once, what is told, and what may begin anew."""

import asyncio
from datetime import timedelta
from email.message import EmailMessage
from uuid import UUID

import pytest
import sqlalchemy as sa

from auth_service.domain.mail import Sender
from auth_service.storage.dead_rows import dead_rows
from auth_service.usecases.address_mail import Links
from auth_service.usecases.erase_account import EraseRefusal, erase_account
from auth_service.usecases.own_password import Claim
from auth_service.usecases.send_mail import MailOffice
from auth_service.usecases.write_mail import Letters
from common.clock import utc_now
from common.contracts.erasure import ProfileErased
from common.ids import new_id
from common.jobs import Runner
from common.postgres.context import Context
from tests.support.accounts import DEVICE, add_user
from tests.support.erasing import (
    ADA,
    PASSWORD,
    add_rows,
    erased_events,
    kept_of_users,
    rows_naming,
    tables_of_users,
)
from tests.support.factories import erasure_confirmed
from tests.support.waiting import eventually


@pytest.fixture
def office(auth_app, databases):
    """auth's mail job, and what it sent."""
    return Office(auth_app, databases("auth", "worker"))


class Office:
    def __init__(self, auth_app, database) -> None:
        self.sent: list[tuple[str, EmailMessage]] = []
        mail = MailOffice(
            database=database,
            letters=Letters(),
            links=Links("https://app.example.org", auth_app.resources.macs),
            sender=Sender("Quartet", "no-reply@quartet.example"),
            transport=self,
            clock=utc_now,
        )
        self._runner = Runner(database, [mail.kind()], poll_seconds=0.05)

    async def send(self, message: EmailMessage, *, sender: str, recipient: str) -> None:
        self.sent.append((recipient, message))

    async def works_until(self, fact) -> None:
        stop = asyncio.Event()
        running = asyncio.create_task(self._runner.run(stop))
        try:
            await eventually(fact)
        finally:
            stop.set()
            await running


class SlowHashing:
    """While the old password is looked at, its owner sets another one."""

    def __init__(self, superuser) -> None:
        self._superuser = superuser

    async def matches(self, password: str, stored: str | None) -> bool:
        await self._superuser.execute("update auth.users set hashed_password = 'another'")
        return True

    async def hash(self, password: str) -> str:
        return "a hash"


async def fill(superuser, user_id: UUID) -> None:
    """The tables of users that neither registering nor signing in puts anything into."""
    await add_rows(superuser, "auth", user_id)
    await superuser.execute(
        """
        insert into auth.mail_links (id, user_id, purpose, expires_at)
        values (gen_random_uuid(), $1, 'reset_password', now())
        """,
        user_id,
    )
    await superuser.execute(
        "insert into auth.registrations (user_id, password_tag, expires_at) values ($1, '\\x0102', now())",
        user_id,
    )
    await superuser.execute(
        """
        insert into auth.exports (id, user_id, asked_at, expires_at, key_sealed)
        values (gen_random_uuid(), $1, now(), now(), '')
        """,
        user_id,
    )


class TestErasing:
    async def test_by_password_takes_the_account_and_tells_everybody(self, client, ada, superuser):
        answer = await client.post("/me/erasure", json={"password": PASSWORD})

        assert (answer.status_code, answer.json()["state"]) == (202, "erasing")
        assert await superuser.fetchval("select count(*) from auth.users") == 0
        assert [(told["user_id"], told["version"]) for told in await erased_events(superuser)] == [
            (str(ada), 2)
        ]

    async def test_leaves_the_id_nowhere_but_where_it_must_stay(self, client, ada, auth, office, superuser):
        """Red for a table of users that nothing is put into here."""
        await fill(superuser, ada)
        before = await rows_naming(superuser, "auth", ada)
        assert tables_of_users("auth") - {"farewells"} <= before.keys()

        await client.post("/me/erasure", json={"password": PASSWORD})
        await office.works_until(lambda: office.sent)
        await auth.apply(erasure_confirmed(ProfileErased, ada))

        left = await rows_naming(superuser, "auth", ada)
        assert left.keys() == kept_of_users("auth") | {"jobs"}
        assert left["jobs"] == 3  # of the last mail and of the files of exports: they hold ids

    async def test_touches_nobody_else(self, client, auth_app, superuser):
        bob = await add_user(superuser, email="bob@example.org")
        await fill(superuser, bob)
        before = await rows_naming(superuser, "auth", bob)

        await client.post("/me/erasure", json={"password": PASSWORD})

        assert await rows_naming(superuser, "auth", bob) == before

    async def test_ends_every_session_everywhere(self, client, auth_app, superuser, tokens):
        await client.post("/me/erasure", json={"password": PASSWORD})

        told = "select payload->>'session_id' from auth.outbox where type = 'session.revoked'"
        assert await superuser.fetchval(told) == tokens["session_id"]

        async def refused() -> bool:
            return (await client.get("/me")).json()["code"] == "token.revoked"

        await eventually(refused)
        async with auth_app.client() as stranger:
            renewed = await stranger.post("/token/refresh", json={"refresh_token": tokens["refresh_token"]})
            login = await stranger.post("/login", json={"email": ADA, "password": PASSWORD})
        assert (renewed.status_code, login.status_code) == (401, 401)
        assert login.json()["code"] == "credentials.wrong"

    async def test_with_the_wrong_password_changes_nothing_and_leaves_a_trace(self, client, superuser):
        answer = await client.post("/me/erasure", json={"password": "another horse battery"})

        assert (answer.status_code, answer.json()["code"]) == (403, "password.wrong")
        assert await superuser.fetchval("select count(*) from auth.users") == 1
        actions = await superuser.fetch("select action from auth.audit_log")
        assert "account.erasure_refused" in {row["action"] for row in actions}

    async def test_by_a_password_that_was_changed_meanwhile_changes_nothing(self, auth_app, ada, superuser):
        told = {"user_id": ada, "now": utc_now(), "new_id": new_id}
        with_what = auth_app.database, SlowHashing(superuser), auth_app.resources.macs

        refusal = await erase_account(*with_what, claim=Claim(ada, None, PASSWORD, DEVICE), **told)

        assert refusal is EraseRefusal.WRONG
        assert await superuser.fetchval("select count(*) from auth.users") == 1

    async def test_without_a_password_needs_a_fresh_sign_in(self, client, superuser):
        answer = await client.post("/me/erasure")

        assert answer.status_code == 202
        assert await superuser.fetchval("select count(*) from auth.users") == 0

    async def test_without_a_password_and_long_after_the_sign_in_is_challenged(
        self, client, auth_app, superuser
    ):
        auth_app.app.state.clock = lambda: utc_now() + timedelta(minutes=6)
        answer = await client.post("/me/erasure", json={})

        assert (answer.status_code, answer.json()["code"]) == (401, "token.step_up_required")
        assert "max_age" in answer.headers["WWW-Authenticate"]
        assert await superuser.fetchval("select count(*) from auth.users") == 1

    async def test_by_ten_at_once_is_done_once(self, client, superuser):
        async with asyncio.timeout(30):
            answers = await asyncio.gather(
                *(client.post("/me/erasure", json={"password": PASSWORD}) for _ in range(10))
            )

        assert sorted({answer.status_code for answer in answers} - {401, 403}) == [202]
        assert sum(answer.status_code == 202 for answer in answers) == 1
        assert len(await erased_events(superuser)) == 1


class TestTheAddress:
    async def test_is_told_once_more_and_then_forgotten(self, client, office, superuser):
        await client.post("/me/erasure", json={"password": PASSWORD})

        async def forgotten() -> bool:
            return await superuser.fetchval("select count(*) from auth.farewells") == 0

        await office.works_until(forgotten)
        [(recipient, message)] = office.sent
        assert (recipient, message["Subject"]) == (ADA, "Your account was erased")
        assert await rows_naming(superuser, "auth", ADA) == {}

    async def test_is_forgotten_after_a_day_although_no_mail_left(self, client, databases, superuser):
        await client.post("/me/erasure", json={"password": PASSWORD})
        await superuser.execute("update auth.farewells set asked_at = now() - interval '25 hours'")

        [farewells] = [one for one in dead_rows(timedelta()) if one.table == "farewells"]
        async with databases("auth", "worker").transaction(as_user=Context.SYSTEM) as tx:
            await farewells.delete(tx, batch=10)

        assert await superuser.fetchval("select count(*) from auth.farewells") == 0

    async def test_may_be_registered_again_as_another_account(self, client, auth_app, ada, superuser):
        await client.post("/me/erasure", json={"password": PASSWORD})

        async with auth_app.client() as stranger:
            answer = await stranger.post("/register", json={"email": ADA, "password": PASSWORD})

        assert answer.status_code == 202
        [row] = await superuser.fetch("select id, is_verified from auth.users")
        assert (row["id"] != ada, row["is_verified"]) == (True, False)

    async def test_found_before_its_erasure_is_registered_under_another_id(
        self, client, auth_app, ada, superuser, monkeypatch
    ):
        """A request that found the address's id before, and goes on after."""
        await client.post("/me/erasure", json={"password": PASSWORD})
        found = iter([ada])

        async def as_it_stood(tx, *, email_norm: str) -> UUID | None:
            return next(found, None)

        monkeypatch.setattr("auth_service.usecases.register.find_user_id", as_it_stood)
        async with auth_app.client() as stranger:
            await stranger.post("/register", json={"email": ADA, "password": PASSWORD})

        [row] = await superuser.fetch("select id from auth.users")
        assert row["id"] != ada

    async def test_registered_while_its_account_is_erased_gets_another_id(
        self, client, auth_app, ada, superuser
    ):
        """Whoever found the address's id before the erasure must not register under it afterwards."""

        async def again() -> None:
            async with auth_app.client() as stranger:
                await stranger.post("/register", json={"email": ADA, "password": PASSWORD})

        async with asyncio.timeout(30):
            await asyncio.gather(
                *(again() for _ in range(6)), client.post("/me/erasure", json={"password": PASSWORD})
            )

        await again()
        ids = {row["id"] for row in await superuser.fetch("select id from auth.users")}
        assert (len(ids), ada in ids) == (1, False)


class TestRights:
    async def test_let_a_user_delete_their_own_rows_alone(self, databases, superuser, ada):
        bob = await add_user(superuser)

        async with databases("auth", "api").transaction(as_user=ada) as tx:
            for table in sorted(tables_of_users("auth") - {"parked_messages"}):
                await tx.execute(sa.text(f"DELETE FROM {table}"))

        assert [row["id"] for row in await superuser.fetch("select id from auth.users")] == [bob]
