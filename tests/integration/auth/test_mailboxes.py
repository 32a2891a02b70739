"""How many mails anybody may have sent to one address."""

import re

import pytest
from redis.asyncio import Redis

from common.http.shared_limits import RateLimits, monotonic_us
from tests.support.accounts import add_user
from tests.support.auth_app import AuthApp
from tests.support.kept_apps import unlimited
from tests.support.waiting import eventually

ADA, GRACE = "ada@example.org", "grace@example.org"
PASSWORD = "correct horse battery"


async def ask(auth_app: AuthApp, path: str, email: str = ADA) -> None:
    async with auth_app.client() as client:
        answer = await client.post(path, json={"email": email})
    assert answer.status_code == 202


@pytest.fixture
def mails_allowed(auth_app: AuthApp, free_port: int):
    """So many to one mailbox; counted by the process, which is exact however slow the machine is."""

    def mails_allowed(number: int, redis: Redis | None = None) -> None:
        moved = unlimited(auth_app.app) | {
            "mailbox": f"{number}/3600",
            "mailbox_reset": f"{number}/3600",
        }
        prefix = auth_app.settings.redis.prefix
        auth_app.app.state.rate_limits = RateLimits(
            redis or Redis(port=free_port), prefix=prefix, moved=moved, now_us=monotonic_us
        )

    return mails_allowed


class TestMailbox:
    @pytest.mark.parametrize("email", [ADA, "nobody@example.org"])
    async def test_is_written_to_so_often_an_hour_whatever_is_asked_for(
        self, auth_app, mails_allowed, superuser, email
    ):
        await add_user(superuser, email=ADA)
        mails_allowed(3)
        asked = [
            ("/register", {"email": email, "password": PASSWORD}),
            ("/verify-email/resend", {"email": email.upper()}),
            ("/verify-email/resend", {"email": email}),
            ("/register", {"email": email, "password": PASSWORD}),
        ]
        async with auth_app.client() as client:
            answers = [await client.post(path, json=body) for path, body in asked]

        assert [answer.status_code for answer in answers] == [202, 202, 202, 429]
        assert int(answers[-1].headers["Retry-After"]) > 60

    async def test_that_is_full_still_gets_the_mail_to_set_a_password_and_not_for_ever(
        self, auth_app, mails_allowed
    ):
        """Else whoever registers an address all day keeps its owner out."""
        mails_allowed(1)
        await ask(auth_app, "/verify-email/resend")
        async with auth_app.client() as client:
            answers = [await client.post("/password/reset", json={"email": ADA}) for _ in range(2)]

        assert [answer.status_code for answer in answers] == [202, 429]

    async def test_of_somebody_else_is_another_one(self, auth_app, mails_allowed):
        mails_allowed(1)
        await ask(auth_app, "/password/reset", ADA)
        await ask(auth_app, "/password/reset", GRACE)

    async def test_is_written_to_so_often_when_it_shall_be_the_new_address(
        self, auth_app, mails_allowed, superuser
    ):
        hashed = await auth_app.resources.hashing.hash(PASSWORD)
        await add_user(superuser, email=ADA, hashed_password=hashed)
        tokens = await auth_app.log_in(ADA, PASSWORD)
        mails_allowed(1)
        await ask(auth_app, "/verify-email/resend", GRACE)
        async with auth_app.client(tokens["access_token"]) as client:
            body = {"new_email": GRACE, "password": PASSWORD}
            answer = await client.post("/email/change", json=body)

        assert (answer.status_code, answer.json()["code"]) == (429, "requests.too_many")

    async def test_is_not_named_in_redis(self, auth_app, mails_allowed, redis):
        mails_allowed(1_000, redis)

        async def counted() -> list[str]:
            # again: a Redis that was slow once is left alone for a second
            await ask(auth_app, "/verify-email/resend")
            return [key async for key in redis.scan_iter("*limit:mailbox:*")]

        (key,) = await eventually(counted, every=0.2)

        assert re.fullmatch(r".*:mailbox:[0-9a-f]{32}", key)
