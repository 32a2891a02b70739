from collections.abc import AsyncGenerator
from typing import Annotated, Any

import httpx
import pytest
from fastapi import APIRouter

from common.http.app import create_app
from common.http.permissions import (
    CurrentAdmin,
    CurrentService,
    CurrentStaff,
    CurrentUser,
    require_fresh,
    require_scope,
    require_service_scope,
)
from common.http.principals import Acr, Principal, ServicePrincipal
from common.http.tokens import AccessTokens, ServiceTokens
from tests.support.listening import client_of
from tests.support.tokens import ISSUER, KEY, NOW, Keys, claims, service_claims, token

router = APIRouter()


@router.get("/user")
async def get_user(user: CurrentUser) -> str:
    return str(user.user_id)


@router.get("/admin")
async def get_admin(user: CurrentAdmin) -> str:
    return str(user.user_id)


@router.get("/staff")
async def get_staff(user: CurrentStaff) -> str:
    return str(user.user_id)


@router.get("/write")
async def get_write(user: Annotated[Principal, require_scope("calendar:read", "calendar:write")]) -> str:
    return str(user.user_id)


@router.get("/fresh")
async def get_fresh(user: Annotated[Principal, require_fresh(300)]) -> str:
    return str(user.user_id)


@router.get("/stepped-up")
async def get_stepped_up(user: Annotated[Principal, require_fresh(300, acr=Acr.STEPPED_UP)]) -> str:
    return str(user.user_id)


@router.get("/service")
async def get_service(service: CurrentService) -> str:
    return service.client_id


@router.get("/credentials")
async def get_credentials(
    service: Annotated[ServicePrincipal, require_service_scope("credentials:read")],
) -> str:
    return service.client_id


@pytest.fixture(scope="module")
async def client() -> AsyncGenerator[httpx.AsyncClient]:
    app = create_app(title="Doors", service="doors", routers=[router])
    keys = Keys(KEY)
    app.state.access_tokens = AccessTokens(
        issuer=ISSUER, audience="quartet", keys=keys, revoked=set(), clock=lambda: NOW
    )
    app.state.service_tokens = ServiceTokens(issuer=ISSUER, service="calendar", keys=keys, clock=lambda: NOW)
    app.state.clock = lambda: NOW
    async with client_of(app, prefix="/api/v1/doors") as opened:
        yield opened


async def ask(client: httpx.AsyncClient, path: str, said: dict[str, Any]) -> tuple[int, str]:
    answer = await client.get(path, headers={"Authorization": f"Bearer {token(said)}"})
    document = answer.json()
    return answer.status_code, document["code"] if isinstance(document, dict) else document


class TestARoute:
    @pytest.mark.parametrize(
        ("path", "roles", "status"),
        [
            ("/user", [], 200),
            ("/admin", ["admin"], 200),
            ("/admin", ["staff"], 403),
            ("/admin", [], 403),
            ("/admin", ["administrator"], 403),
            ("/staff", ["staff"], 200),
            ("/staff", ["admin"], 200),
            ("/staff", ["user"], 403),
        ],
    )
    async def test_for_a_role_is_for_it_alone(
        self, client: httpx.AsyncClient, path: str, roles: list[str], status: int
    ):
        found, code = await ask(client, path, claims(roles=roles))

        assert found == status
        assert (code == "role.missing") == (status == 403)

    @pytest.mark.parametrize(
        ("scope", "status"),
        [
            ("calendar:read calendar:write", 200),
            ("calendar:write profile:read calendar:read", 200),
            ("calendar:write", 403),
            ("calendar:writer calendar:read", 403),
            ("", 403),
        ],
    )
    async def test_for_scopes_wants_all_of_them(self, client: httpx.AsyncClient, scope: str, status: int):
        found, code = await ask(client, "/write", claims(scope=scope))

        assert found == status
        assert (code == "scope.missing") == (status == 403)

    async def test_says_in_the_challenge_that_a_scope_is_missing(self, client: httpx.AsyncClient):
        answer = await client.get("/write", headers={"Authorization": f"Bearer {token()}"})

        assert answer.headers["www-authenticate"] == 'Bearer realm="quartet", error="insufficient_scope"'

    @pytest.mark.parametrize("path", ["/user", "/admin", "/staff", "/write", "/service", "/credentials"])
    async def test_without_a_token_is_401_whatever_it_asks(self, client: httpx.AsyncClient, path: str):
        answer = await client.get(path)

        assert (answer.status_code, answer.json()["code"]) == (401, "token.missing")


class TestAService:
    async def test_is_known_by_its_client_s_id(self, client: httpx.AsyncClient):
        assert await ask(client, "/service", service_claims()) == (200, "chat")

    @pytest.mark.parametrize(("scope", "status"), [("credentials:read", 200), ("profiles:read", 403)])
    async def test_needs_the_scope_of_the_route(self, client: httpx.AsyncClient, scope: str, status: int):
        assert (await ask(client, "/credentials", service_claims(scope=scope)))[0] == status

    async def test_passes_for_no_user(self, client: httpx.AsyncClient):
        assert await ask(client, "/user", service_claims()) == (401, "token.wrong_audience")

    async def test_is_not_what_a_user_passes_for(self, client: httpx.AsyncClient):
        assert await ask(client, "/service", claims()) == (401, "token.wrong_audience")


def proved(seconds_ago: int, acr: str | None = None) -> dict[str, Any]:
    return claims(auth_time=int(NOW.timestamp()) - seconds_ago, acr=acr)


class TestARouteForAFreshProof:
    @pytest.mark.parametrize(
        ("path", "said", "status"),
        [
            ("/fresh", proved(0), 200),
            ("/fresh", proved(300), 200),
            ("/fresh", proved(301), 401),
            ("/fresh", proved(301, Acr.STEPPED_UP), 401),
            ("/fresh", claims(), 401),
            ("/stepped-up", proved(0, Acr.STEPPED_UP), 200),
            ("/stepped-up", proved(0, Acr.SIGNED_IN), 401),
            ("/stepped-up", proved(0), 401),
            ("/stepped-up", proved(0, "urn:somebody:else"), 401),
            ("/stepped-up", proved(301, Acr.STEPPED_UP), 401),
        ],
    )
    async def test_takes_no_older_and_no_weaker_one(
        self, client: httpx.AsyncClient, path: str, said: dict[str, Any], status: int
    ):
        found, code = await ask(client, path, said)

        assert found == status
        assert (code == "token.step_up_required") == (status == 401)

    @pytest.mark.parametrize(
        ("path", "wanted"),
        [
            ("/fresh", 'max_age="300"'),
            ("/stepped-up", 'max_age="300", acr_values="urn:quartet:acr:stepped-up"'),
        ],
    )
    async def test_says_in_the_challenge_what_is_wanted(
        self, client: httpx.AsyncClient, path: str, wanted: str
    ):
        answer = await client.get(path, headers={"Authorization": f"Bearer {token(proved(301))}"})

        challenge = answer.headers["WWW-Authenticate"]
        assert challenge.startswith('Bearer realm="quartet", error="insufficient_user_authentication"')
        assert challenge.endswith(wanted)

    @pytest.mark.parametrize("said", [{"auth_time": "now"}, {"auth_time": True}, {"acr": 1}, {"amr": "pwd"}])
    async def test_reads_no_claim_of_another_type(self, client: httpx.AsyncClient, said: dict[str, Any]):
        assert await ask(client, "/fresh", claims(**said)) == (401, "token.malformed")
