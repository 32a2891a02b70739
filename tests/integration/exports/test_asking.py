"""Who may ask for an export, and how many there are."""

import asyncio
from datetime import timedelta
from urllib.parse import urljoin

from common.clock import utc_now
from common.http.shared_limits import RateLimits, monotonic_us
from common.ids import new_id
from tests.support.accounts import add_user
from tests.support.erasing import PASSWORD
from tests.support.kept_apps import unlimited


class TestAsking:
    async def test_is_answered_with_where_to_look(self, client):
        asked = await client.post("/me/exports")
        found = await client.get(urljoin("http://auth.test", asked.headers["Location"]))

        assert (asked.status_code, asked.json()["state"]) == (202, "making")
        assert asked.json()["progress"] == {"done": 0, "total": 4}
        assert found.json() == asked.json()

    async def test_again_while_one_is_being_made_gives_that_one(self, client, superuser):
        first, second = await client.post("/me/exports"), await client.post("/me/exports")

        assert first.json()["id"] == second.json()["id"]
        assert await superuser.fetchval("select count(*) from auth.exports") == 1

    async def test_by_ten_at_once_makes_one(self, client, superuser):
        async with asyncio.timeout(30):
            answers = await asyncio.gather(*(client.post("/me/exports") for _ in range(10)))

        assert {answer.status_code for answer in answers} == {202}
        assert len({answer.json()["id"] for answer in answers}) == 1
        assert await superuser.fetchval("select count(*) from auth.jobs where kind = 'export'") == 1

    async def test_needs_a_fresh_sign_in(self, client, auth_app, superuser):
        auth_app.app.state.clock = lambda: utc_now() + timedelta(minutes=6)
        answer = await client.post("/me/exports")

        assert (answer.status_code, answer.json()["code"]) == (401, "token.step_up_required")
        assert 'max_age="300"' in answer.headers["WWW-Authenticate"]
        assert await superuser.fetchval("select count(*) from auth.exports") == 0

    async def test_of_an_account_that_is_closed_is_refused(self, client, superuser):
        await superuser.execute("update auth.users set is_active = false")
        answer = await client.post("/me/exports")

        assert (answer.status_code, answer.json()["code"]) == (401, "account.gone")

    async def test_once_more_after_one_that_failed_makes_another(self, client, superuser):
        failed = (await client.post("/me/exports")).json()["id"]
        await superuser.execute("update auth.jobs set state = 'failed', finished_at = now()")
        another = (await client.post("/me/exports")).json()["id"]

        assert another != failed
        assert (await client.get(f"/me/exports/{failed}")).json()["state"] == "failed"

    async def test_is_limited_for_each_user(self, client, auth_app, redis):
        moved = unlimited(auth_app.app) | {"export": "1/86400"}
        auth_app.app.state.rate_limits = RateLimits(
            redis, prefix=auth_app.settings.redis.prefix, moved=moved, now_us=monotonic_us
        )
        answers = [await client.post("/me/exports") for _ in range(2)]

        assert [answer.status_code for answer in answers] == [202, 429]


class TestAnotherUsersExport:
    async def test_is_nobody_s_to_look_at(self, client, auth_app, superuser):
        asked = await client.post("/me/exports")
        stored = await superuser.fetchval("select hashed_password from auth.users")
        await add_user(superuser, email="bob@example.org", hashed_password=stored)
        bob = await auth_app.log_in("bob@example.org", PASSWORD)
        async with auth_app.client(bob["access_token"]) as bobs:
            found = await bobs.get(f"/me/exports/{asked.json()['id']}")
            file = await bobs.get(f"/me/exports/{asked.json()['id']}/file")

        assert (found.status_code, found.json()["code"]) == (404, "export.not_found")
        assert (file.status_code, file.json()["code"]) == (404, "export.not_found")

    async def test_looks_like_one_that_never_was(self, client):
        answer = await client.get(f"/me/exports/{new_id()}")

        assert (answer.status_code, answer.json()["code"]) == (404, "export.not_found")
