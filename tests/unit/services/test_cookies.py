from http.cookies import SimpleCookie
from types import SimpleNamespace

import pytest
from starlette.requests import Request
from starlette.responses import Response

from auth_service.api.cookies import CSRF, CSRF_HEADER, REFRESH, give_cookies, token_of_cookie
from auth_service.domain.macs import Macs
from auth_service.domain.refresh_tokens import RefreshToken
from auth_service.domain.sessions import SessionLimits
from auth_service.usecases.issue_tokens import IssuedTokens
from common.errors import QuartetError
from common.ids import new_id

OLD, NEW = b"o" * 32, b"n" * 32
BEFORE = Macs({"old": OLD}, active="old")
AFTER = Macs({"old": OLD, "new": NEW}, active="new")
MOST_OF_A_BROWSER = 4096
CONSOLE = "https://console.quartet.example"


@pytest.fixture
def token() -> RefreshToken:
    return RefreshToken(user_id=new_id(), session_id=new_id(), counter=2**63 - 1)


@pytest.fixture
def given(token: RefreshToken) -> list[str]:
    """What a login tells a browser."""
    response = Response()
    issued = IssuedTokens("access", 600, token.written(BEFORE), token.session_id)
    give_cookies(response, issued, macs=BEFORE, limits=SessionLimits())
    return response.headers.getlist("set-cookie")


@pytest.fixture
def send(given: list[str]):
    """As the browser sends them back, with what its page read."""
    cookies = SimpleCookie("; ".join(line.partition(";")[0] for line in given))

    def send(csrf: str | None = None, **headers: str) -> Request:
        told = {
            "Host": "quartet.example",
            "Cookie": "; ".join(f"{name}={one.value}" for name, one in cookies.items()),
            CSRF_HEADER: cookies[CSRF].value if csrf is None else csrf,
            **headers,
        }
        raw = [(name.lower().encode(), value.encode()) for name, value in told.items()]
        app = SimpleNamespace(state=SimpleNamespace(cors_origins={CONSOLE}))
        return Request({"type": "http", "headers": raw, "app": app})

    return send


class TestCookies:
    def test_are_of_this_host_alone_and_small(self, given):
        assert [line.partition("=")[0] for line in given] == [REFRESH, CSRF]
        assert all(name.startswith("__Host-") for name in (REFRESH, CSRF))
        assert all("Secure" in line and "Path=/" in line and "Domain" not in line for line in given)
        assert max(map(len, given)) < MOST_OF_A_BROWSER / 8

    def test_are_known_again(self, send, token):
        assert token_of_cookie(send(), BEFORE) == token

    def test_outlive_a_change_of_the_key(self, send, token):
        assert token_of_cookie(send(), AFTER) == token

    @pytest.mark.parametrize("csrf", ["", "x", "ä", "=", "A" * 22, "A" * 100_000, "Zm9v Zm9v"])
    def test_are_no_use_with_another_page_token(self, send, csrf):
        with pytest.raises(QuartetError, match=r"csrf\.failed"):
            token_of_cookie(send(csrf), BEFORE)

    @pytest.mark.parametrize("site", ["cross-site", "CROSS-SITE", "unheard-of"])
    def test_are_no_use_to_a_page_of_another_site(self, send, site):
        with pytest.raises(QuartetError, match=r"csrf\.failed"):
            token_of_cookie(send(**{"Sec-Fetch-Site": site}), BEFORE)

    @pytest.mark.parametrize(
        "headers",
        [
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
            {"Origin": "https://quartet.example.evil.example"},
            {"Origin": "https://evil.example/quartet.example"},
            {"Origin": "https://["},
            {"Origin": "https://users.quartet.example", "Sec-Fetch-Site": "same-site"},
            {"Origin": "null", "Sec-Fetch-Site": "same-site"},
            {"Sec-Fetch-Site": "same-site"},
            {"Origin": CONSOLE, "Sec-Fetch-Site": "cross-site"},
            {"Origin": "https://quartet.example", "Host": "["},
        ],
        ids=str,
    )
    def test_are_no_use_to_a_page_that_is_not_listed(self, send, headers):
        with pytest.raises(QuartetError, match=r"csrf\.failed"):
            token_of_cookie(send(**headers), BEFORE)

    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"Sec-Fetch-Site": "same-origin"},
            {"Origin": "https://quartet.example:8443"},
            {"Origin": CONSOLE},
            {"Origin": CONSOLE, "Sec-Fetch-Site": "same-site"},
        ],
        ids=str,
    )
    def test_are_for_pages_of_this_host_and_for_those_that_are_listed(self, send, token, headers):
        assert token_of_cookie(send(**headers), BEFORE) == token

    def test_that_were_not_given_here_are_none(self):
        foreign = [(b"cookie", f"{REFRESH}=qrt1_AAAA".encode())]

        assert token_of_cookie(Request({"type": "http", "headers": foreign}), BEFORE) is None
