import asyncio
from datetime import timedelta
from uuid import UUID

import asyncpg
import httpx
import pytest

from auth_service.domain.links import LinkToken, Purpose
from auth_service.storage.mail_links import NewLink, insert_link
from common.clock import utc_now
from common.ids import new_id
from tests.support.accounts import add_user
from tests.support.auth_app import BASE, AuthApp

ADA, NOBODY = "ada@example.org", "nobody@example.org"
PASSWORD, WRONG, NEW = "correct horse battery", "wrong horse battery", "staple correct horse"
DEVICE = "X-Quartet-Device"
HERE = "10.0.0.1"


@pytest.fixture
async def ada(auth_app: AuthApp, superuser: asyncpg.Connection) -> UUID:
    hashed = await auth_app.resources.hashing.hash(PASSWORD)
    return await add_user(superuser, email=ADA, hashed_password=hashed)


@pytest.fixture
def attempt(auth_app: AuthApp):
    async def attempt(
        password: str = WRONG, *, email: str = ADA, at: str = HERE, device: str = "", **more: object
    ) -> httpx.Response:
        transport = httpx.ASGITransport(auth_app.app, client=(at, 1))
        body = {"email": email, "password": password, **more}
        async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
            return await client.post("/login", json=body, headers={DEVICE: device} if device else {})

    return attempt


@pytest.fixture
def fail(attempt):
    """So many wrong passwords in a row."""

    async def fail(times: int, **how: str) -> list[int]:
        return [(await attempt(**how)).status_code for _ in range(times)]

    return fail


@pytest.fixture
def everywhere(attempt):
    """Wrong passwords from so many networks, one from each."""

    async def everywhere(networks: int, **how: str) -> list[int]:
        return [(await attempt(at=f"10.1.{n}.1", **how)).status_code for n in range(networks)]

    return everywhere


@pytest.fixture
def wait_out(superuser: asyncpg.Connection):
    """As if the longest wait had passed, and as if no failure came since."""

    async def wait_out(hours: int = 2) -> None:
        await superuser.execute(
            "update auth.login_attempts set failed_at = failed_at - make_interval(hours => $1),"
            " locked_until = locked_until - make_interval(hours => $1)",
            hours,
        )

    return wait_out


def told(answer: httpx.Response) -> tuple[object, ...]:
    """All that is the same for everybody."""
    problem = answer.json()
    return answer.status_code, problem["code"], problem["detail"], answer.headers.get("retry-after")


class TestAGuesser:
    @pytest.mark.parametrize("email", [ADA, NOBODY])
    async def test_waits_after_five_wrong_passwords_and_then_learns_nothing(self, ada, attempt, fail, email):
        assert await fail(5, email=email) == [401] * 5

        wrong, right = await attempt(email=email), await attempt(PASSWORD, email=email)

        assert told(wrong)[:2] == (429, "login.locked")
        assert told(wrong)[:3] == told(right)[:3]
        assert all(25 <= int(answer.headers["retry-after"]) <= 30 for answer in (wrong, right))

    async def test_costs_no_hash_while_waiting(self, ada, auth_app, attempt, fail):
        await fail(5)
        object.__setattr__(auth_app.resources, "hashing", None)

        assert (await attempt()).status_code == 429

    async def test_waits_twice_as_long_each_time(self, ada, attempt, fail, superuser):
        await fail(5)
        await superuser.execute("update auth.login_attempts set locked_until = now() - interval '1 second'")

        await fail(1)

        assert 50 <= int((await attempt()).headers["retry-after"]) <= 60

    async def test_is_given_five_more_after_a_day(self, ada, fail, wait_out):
        await fail(5)
        await wait_out(25)

        assert await fail(5) == [401] * 5

    @pytest.mark.parametrize("email", [ADA, NOBODY])
    async def test_who_asks_all_at_once_gets_no_more_answers(self, ada, attempt, email):
        answers = await asyncio.gather(*(attempt(email=email) for _ in range(12)))

        assert sorted(answer.status_code for answer in answers) == [401] * 5 + [429] * 7

    async def test_does_not_keep_other_networks_waiting(self, ada, attempt, fail):
        await fail(6)

        assert (await attempt(PASSWORD, at="10.9.9.9")).status_code == 200

    @pytest.mark.parametrize("email", [ADA, NOBODY])
    async def test_of_many_networks_waits_too_but_never_long(
        self, ada, attempt, everywhere, superuser, email
    ):
        assert await everywhere(20, email=email) == [401] * 20
        assert (await attempt(email=email, at="10.2.0.1")).status_code == 429

        await superuser.execute(
            "update auth.login_attempts set locked_until = null, failures = 1000000 where failures > 1"
        )
        await attempt(email=email, at="10.2.0.1")

        assert int((await attempt(email=email, at="10.2.0.2")).headers["retry-after"]) <= 900


class TestTheOwner:
    async def test_signs_in_from_a_known_device_while_others_guess(self, ada, attempt, fail, everywhere):
        device = (await attempt(PASSWORD)).headers[DEVICE]
        await everywhere(20)
        await fail(5)

        assert (await attempt(PASSWORD)).status_code == 429
        assert (await attempt(PASSWORD, device=device)).status_code == 200

    async def test_whose_browser_is_known_by_its_cookie_signs_in_too(self, ada, auth_app, attempt, fail):
        async with auth_app.client() as browser:
            signed_in = await browser.post(
                "/login", json={"email": ADA, "password": PASSWORD, "cookie": True}
            )
            cookie = next(
                line for line in signed_in.headers.get_list("set-cookie") if "quartet-device" in line
            )
            await fail(5, at="127.0.0.1")
            again = await browser.post(
                "/login",
                json={"email": ADA, "password": PASSWORD},
                headers={"Cookie": cookie.partition(";")[0]},
            )

        assert (await attempt(PASSWORD, at="127.0.0.1")).status_code == 429
        assert again.status_code == 200
        assert {"Secure", "HttpOnly", "SameSite=strict", "Path=/"} <= set(cookie.split("; "))

    async def test_who_set_a_new_password_by_mail_is_known_too(self, ada, auth_app, attempt, everywhere):
        link = NewLink(new_id(), ada, Purpose.RESET_PASSWORD, utc_now(), utc_now() + timedelta(minutes=1))
        async with auth_app.database.transaction(as_user=ada) as tx:
            insert_link(tx, link)
        token = LinkToken(ada, link.id).written(auth_app.resources.macs, Purpose.RESET_PASSWORD)
        await everywhere(20)
        async with auth_app.client() as client:
            changed = await client.post("/password/reset/confirm", json={"token": token, "new_password": NEW})

        assert (await attempt(NEW, at="10.2.0.1")).status_code == 429
        assert (await attempt(NEW, at="10.2.0.1", device=changed.headers[DEVICE])).status_code == 200

    async def test_keeps_the_device_s_token_from_login_to_login(self, ada, attempt):
        first = (await attempt(PASSWORD)).headers[DEVICE]

        assert (await attempt(PASSWORD, device=first)).headers[DEVICE] == first

    async def test_is_given_no_device_by_a_wrong_password(self, ada, attempt):
        assert DEVICE not in (await attempt()).headers

    async def test_whose_device_was_stolen_is_not_locked_out_by_it(self, ada, attempt, fail):
        device = (await attempt(PASSWORD)).headers[DEVICE]

        assert await fail(11, device=device) == [401] * 10 + [429]
        assert (await attempt(PASSWORD)).status_code == 200

    async def test_s_device_helps_at_no_other_account(self, ada, attempt, fail, superuser):
        device = (await attempt(PASSWORD)).headers[DEVICE]
        await add_user(superuser, email="grace@example.org")

        assert await fail(6, email="grace@example.org", device=device) == [401] * 5 + [429]

    async def test_has_the_failures_forgiven_by_a_full_login(self, ada, attempt, fail):
        await fail(4)
        await attempt(PASSWORD)

        assert await fail(5) == [401] * 5


class TestTheCounters:
    @pytest.fixture
    def stats(self, superuser):
        async def stats() -> tuple[int, int, bool]:
            row = await superuser.fetchrow("select * from auth.login_stats")
            return row["login_count"], row["failed_login_attempts"], row["last_login_at"] is not None

        return stats

    async def test_count_logins_and_the_failures_since_the_last(self, ada, attempt, fail, stats):
        await fail(2)
        failed = await stats()
        await attempt(PASSWORD)

        assert (failed, await stats()) == ((0, 2, False), (1, 0, True))

    async def test_are_not_touched_by_a_refresh(self, ada, auth_app, attempt, fail, stats, superuser):
        tokens = (await attempt(PASSWORD)).json()
        await fail(3)
        counted = await superuser.fetch("select * from auth.login_attempts order by who")
        async with auth_app.client() as client:
            answer = await client.post("/token/refresh", json={"refresh_token": tokens["refresh_token"]})

        assert answer.status_code == 200
        assert await stats() == (1, 3, True)
        assert await superuser.fetch("select * from auth.login_attempts order by who") == counted

    async def test_are_not_touched_while_waiting(self, ada, fail, stats):
        await fail(9)

        assert await stats() == (0, 5, False)

    async def test_leave_one_entry_in_the_log_when_a_lock_begins(self, ada, fail, superuser):
        await fail(9)

        entries = await superuser.fetch("select user_id, action, data from auth.audit_log")

        assert [(entry["user_id"], entry["action"]) for entry in entries] == [(ada, "login.locked")]
        assert "10.0.0.0/24" in entries[0]["data"]

    async def test_say_nobody_s_address(self, ada, fail, superuser):
        await fail(1)

        rows = await superuser.fetch("select who from auth.login_attempts")

        assert len(rows) == 2
        assert not any(b"ada" in row["who"] or b"example" in row["who"] for row in rows)


class TestAnAdministratorsLock:
    @pytest.mark.parametrize(("until", "status"), [("now() + interval '1 hour'", 401), ("now()", 200)])
    async def test_refuses_as_a_wrong_password_does_until_it_ends(
        self, ada, attempt, superuser, until, status
    ):
        await superuser.execute(f"update auth.login_stats set locked_until = {until}")

        assert (await attempt(PASSWORD)).status_code == status
