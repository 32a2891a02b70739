import asyncio
from datetime import timedelta
from uuid import UUID

import pytest

from auth_service.domain.links import LinkToken, Purpose
from auth_service.storage.mail_links import NewLink, insert_link
from auth_service.usecases.prepare_link import prepare_link
from common.clock import utc_now
from common.ids import new_id
from tests.support.accounts import add_user
from tests.support.auth_app import AuthApp
from tests.support.waiting import eventually

ADA = "ada@example.org"
OLD, NEW = "correct horse battery", "staple correct horse"


@pytest.fixture
async def ada(auth_app: AuthApp, superuser) -> UUID:
    return await add_user(superuser, email=ADA, hashed_password=await auth_app.resources.hashing.hash(OLD))


@pytest.fixture
def link(auth_app, ada):
    """The token of a link that is in Ada's mailbox."""

    async def link(lasts: timedelta = timedelta(minutes=1), purpose: Purpose = Purpose.RESET_PASSWORD) -> str:
        link = NewLink(new_id(), ada, purpose, utc_now(), utc_now() + lasts)
        async with auth_app.database.transaction(as_user=ada) as tx:
            insert_link(tx, link)
        return LinkToken(ada, link.id).written(auth_app.resources.macs, purpose)

    return link


@pytest.fixture
def confirm(auth_app):
    async def confirm(token: str, password: str = NEW):
        async with auth_app.client() as client:
            return await client.post(
                "/password/reset/confirm", json={"token": token, "new_password": password}
            )

    return confirm


async def login(auth_app: AuthApp, password: str) -> int:
    async with auth_app.client() as client:
        return (await client.post("/login", json={"email": ADA, "password": password})).status_code


async def is_refused(auth_app: AuthApp, tokens: dict[str, str]) -> bool:
    async with auth_app.client(tokens["access_token"]) as client:
        return (await client.get("/sessions")).status_code == 401


class TestChange:
    async def test_takes_the_current_one_and_spares_this_session(self, auth_app, ada):
        here, elsewhere = await auth_app.log_in(ADA, OLD), await auth_app.log_in(ADA, OLD)
        async with auth_app.client(here["access_token"]) as client:
            answer = await client.post(
                "/password/change", json={"current_password": OLD, "new_password": NEW}
            )

        assert answer.status_code == 204
        await eventually(lambda: is_refused(auth_app, elsewhere))
        assert not await is_refused(auth_app, here)
        assert [await login(auth_app, OLD), await login(auth_app, NEW)] == [401, 200]

    async def test_with_the_wrong_one_changes_nothing_and_leaves_a_trace(self, auth_app, ada, superuser):
        tokens = await auth_app.log_in(ADA, OLD)
        async with auth_app.client(tokens["access_token"]) as client:
            answer = await client.post(
                "/password/change", json={"current_password": NEW, "new_password": NEW}
            )

        assert (answer.status_code, answer.json()["code"]) == (403, "password.wrong")
        assert await login(auth_app, OLD) == 200
        assert await superuser.fetchval("select action from auth.audit_log") == "password.change_refused"

    async def test_ends_links_that_are_in_a_mailbox(self, auth_app, ada, link, confirm):
        token = await link()
        tokens = await auth_app.log_in(ADA, OLD)
        async with auth_app.client(tokens["access_token"]) as client:
            await client.post("/password/change", json={"current_password": OLD, "new_password": NEW})

        assert (await confirm(token, OLD)).status_code == 422

    async def test_tells_the_owner(self, auth_app, ada, superuser):
        tokens = await auth_app.log_in(ADA, OLD)
        async with auth_app.client(tokens["access_token"]) as client:
            await client.post("/password/change", json={"current_password": OLD, "new_password": NEW})

        assert await superuser.fetchval("select arguments->>'mail' from auth.jobs") == "password_changed"

    async def test_of_two_at_once_one_wins(self, auth_app, ada):
        tokens = await auth_app.log_in(ADA, OLD)
        async with auth_app.client(tokens["access_token"]) as client:
            answers = await asyncio.gather(
                *(
                    client.post("/password/change", json={"current_password": OLD, "new_password": new})
                    for new in (NEW, "another long password")
                )
            )

        assert sorted(answer.status_code for answer in answers) in ([204, 403], [204, 409])


class TestReset:
    async def test_sets_the_password_once_and_ends_all_sessions(self, auth_app, ada, link, confirm):
        tokens = await auth_app.log_in(ADA, OLD)
        token = await link()

        answers = await asyncio.gather(*(confirm(token) for _ in range(3)))

        assert sorted(answer.status_code for answer in answers) == [204, 422, 422]
        await eventually(lambda: is_refused(auth_app, tokens))
        assert await login(auth_app, NEW) == 200

    async def test_by_a_link_that_is_too_old_is_refused(self, link, confirm):
        answer = await confirm(await link(lasts=timedelta(0)))

        assert (answer.status_code, answer.json()["code"]) == (422, "link.invalid")

    async def test_by_a_link_for_something_else_is_refused(self, link, confirm):
        assert (await confirm(await link(purpose=Purpose.VERIFY_EMAIL))).status_code == 422

    async def test_verifies_the_address(self, link, confirm, superuser):
        await superuser.execute("update auth.users set is_verified = false")

        await confirm(await link())

        assert await superuser.fetchval("select is_verified from auth.users")

    @pytest.mark.parametrize("email", [ADA, "nobody@example.org"])
    async def test_is_asked_for_the_same_way_whoever_it_is(self, auth_app, ada, superuser, email):
        async with auth_app.client() as client:
            answer = await client.post("/password/reset", json={"email": email})

        assert (answer.status_code, answer.json()) == (202, {"status": "check_your_mail"})
        assert await superuser.fetchval("select arguments->>'mail' from auth.jobs") == "reset_password"


class TestPrepare:
    async def test_makes_a_link_once_and_no_other_within_a_minute(self, auth_app, ada):
        first, second = new_id(), new_id()

        async def prepare(link_id: UUID) -> Purpose | None:
            async with auth_app.database.transaction(as_user=ada) as tx:
                return await prepare_link(
                    tx, Purpose.RESET_PASSWORD, user_id=ada, link_id=link_id, now=utc_now()
                )

        assert [await prepare(first), await prepare(first), await prepare(second)] == [
            Purpose.RESET_PASSWORD,
            Purpose.RESET_PASSWORD,
            None,
        ]

    @pytest.mark.parametrize(
        ("state", "purpose"),
        [
            ("is_active = false", Purpose.RESET_PASSWORD),
            ("is_verified = true", Purpose.VERIFY_EMAIL),
            ("is_verified = false, hashed_password = null", Purpose.VERIFY_EMAIL),
        ],
    )
    async def test_makes_none_that_nobody_needs(self, auth_app, ada, superuser, state, purpose):
        await superuser.execute(f"update auth.users set {state}")
        async with auth_app.database.transaction(as_user=ada) as tx:
            made = await prepare_link(tx, purpose, user_id=ada, link_id=new_id(), now=utc_now())

        assert made is None
