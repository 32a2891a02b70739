import pytest

from tests.support.accounts import add_user
from tests.support.waiting import eventually

PASSWORD = "correct horse battery"
ADA = "ada@example.org"
REFRESH, CSRF = "__Host-quartet-refresh", "__Host-quartet-csrf"


@pytest.fixture
async def signed_in(auth_app, superuser):
    """A browser after its login: its cookies and what the answer told."""
    await add_user(superuser, email=ADA, hashed_password=await auth_app.resources.hashing.hash(PASSWORD))
    async with auth_app.client() as browser:
        browser.base_url = browser.base_url.copy_with(scheme="https")
        answer = await browser.post("/login", json={"email": ADA, "password": PASSWORD, "cookie": True})
        yield browser, answer


class TestLogin:
    async def test_puts_the_refresh_token_where_no_script_reads_it(self, signed_in):
        _, answer = signed_in
        given = {line.split("=")[0]: line for line in answer.headers.get_list("set-cookie")}

        assert answer.json()["refresh_token"] is None
        assert all(part in given[REFRESH] for part in ("HttpOnly", "Secure", "SameSite=strict", "Path=/"))
        assert "Domain" not in given[REFRESH]
        assert "HttpOnly" not in given[CSRF]

    async def test_by_a_page_of_another_site_is_refused(self, signed_in):
        browser, _ = signed_in
        answer = await browser.post(
            "/login",
            json={"email": ADA, "password": PASSWORD, "cookie": True},
            headers={"Sec-Fetch-Site": "cross-site"},
        )

        assert (answer.status_code, answer.json()["code"]) == (403, "csrf.failed")


class TestRefresh:
    async def test_takes_the_cookie_with_the_token_of_the_page(self, signed_in):
        browser, told = signed_in
        before = browser.cookies[REFRESH]

        answer = await browser.post("/token/refresh", headers={"X-CSRF-Token": told.json()["csrf_token"]})

        assert answer.status_code == 200
        assert answer.json()["refresh_token"] is None
        assert browser.cookies[REFRESH] != before

    @pytest.mark.parametrize(
        "headers",
        [{}, {"X-CSRF-Token": "x"}, {"X-CSRF-Token": ""}],
        ids=["without", "wrong", "empty"],
    )
    async def test_refuses_the_cookie_alone(self, signed_in, headers):
        browser, _ = signed_in

        answer = await browser.post("/token/refresh", headers=headers)

        assert (answer.status_code, answer.json()["code"]) == (403, "csrf.failed")

    async def test_refuses_pages_of_other_sites_even_with_the_token(self, signed_in):
        browser, told = signed_in
        headers = {"X-CSRF-Token": told.json()["csrf_token"], "Sec-Fetch-Site": "cross-site"}

        answer = await browser.post("/token/refresh", headers=headers)

        assert (answer.status_code, answer.json()["code"]) == (403, "csrf.failed")

    async def test_refuses_the_page_token_of_another_session(self, signed_in, auth_app):
        browser, _ = signed_in
        async with auth_app.client() as other:
            told = await other.post("/login", json={"email": ADA, "password": PASSWORD, "cookie": True})

        answer = await browser.post("/token/refresh", headers={"X-CSRF-Token": told.json()["csrf_token"]})

        assert answer.status_code == 403

    async def test_without_cookie_and_body_is_refused(self, auth_app):
        async with auth_app.client() as client:
            answer = await client.post("/token/refresh")

        assert (answer.status_code, answer.json()["code"]) == (401, "refresh_token.invalid")


class TestLogout:
    async def test_ends_the_session_of_the_cookie_and_takes_it_away(self, signed_in, auth_app):
        browser, told = signed_in

        answer = await browser.post("/logout", headers={"X-CSRF-Token": told.json()["csrf_token"]})

        assert answer.status_code == 204
        assert REFRESH not in browser.cookies
        await eventually(lambda: refused(auth_app, told.json()["access_token"]))

    async def test_ends_the_session_of_the_access_token(self, auth_app, signed_in):
        tokens = await auth_app.log_in(ADA, PASSWORD)
        async with auth_app.client(tokens["access_token"]) as client:
            answer = await client.post("/logout")

        assert answer.status_code == 204
        await eventually(lambda: refused(auth_app, tokens["access_token"]))

    async def test_ends_the_session_of_any_refresh_token_that_it_ever_had(self, auth_app, signed_in):
        tokens = await auth_app.log_in(ADA, PASSWORD)
        async with auth_app.client() as client:
            for _ in range(3):
                newest = (
                    await client.post("/token/refresh", json={"refresh_token": tokens["refresh_token"]})
                ).json()
            answer = await client.post("/logout", json={"refresh_token": tokens["refresh_token"]})

        assert answer.status_code == 204
        await eventually(lambda: refused(auth_app, newest["access_token"]))

    async def test_of_another_session_leaves_the_cookie_alone(self, auth_app, signed_in):
        browser, _ = signed_in
        other = await auth_app.log_in(ADA, PASSWORD)

        answer = await browser.post("/logout", json={"refresh_token": other["refresh_token"]})

        assert answer.status_code == 204
        assert REFRESH in browser.cookies

    async def test_of_nobody_is_refused(self, auth_app):
        async with auth_app.client() as client:
            answer = await client.post("/logout")

        assert (answer.status_code, answer.json()["code"]) == (401, "token.missing")


async def refused(auth_app, token: str) -> bool:
    async with auth_app.client(token) as client:
        return (await client.get("/sessions")).status_code == 401
