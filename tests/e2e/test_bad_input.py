import asyncio
import re
import ssl

import httpx
import pytest

from tests.support.gateway import Gateway

REGISTER = "/api/v1/auth/register"
SERVICES = ("auth", "profile", "calendar", "chat")


def check_problem(answer: httpx.Response, status: int) -> dict:
    """A problem document that names the request and shows nothing of how the code works."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    problem = answer.json()
    assert problem["status"] == status
    assert {"type", "title", "detail", "code", "request_id"} <= problem.keys()
    assert problem["request_id"] == answer.headers["X-Request-ID"]
    assert re.fullmatch(r"[a-z0-9_]+(\.[a-z0-9_]+)*", problem["code"])
    assert not re.search(r"Traceback|File \"|\.py\b|sqlalchemy|asyncpg|pydantic", answer.text, re.IGNORECASE)
    return problem


async def post(gateway: Gateway, content: bytes, content_type: str = "application/json") -> httpx.Response:
    return await gateway.client.post(REGISTER, content=content, headers={"Content-Type": content_type})


class TestBody:
    @pytest.mark.parametrize(
        "content",
        [b"{", b"", b"nonsense", b'{"email": "a@example.org",}', b"{'email': 1}", b"NaN", b"\xff\xfe{}"],
        ids=["cut", "empty", "words", "comma", "quotes", "NaN", "no UTF-8"],
    )
    async def test_that_is_no_json_is_malformed(self, gateway, content):
        answer = await post(gateway, content)

        assert answer.status_code in {400, 422}
        check_problem(answer, answer.status_code)

    @pytest.mark.parametrize("content", [b"null", b"[]", b'"text"', b"7", b"true"])
    async def test_of_another_type_is_invalid(self, gateway, content):
        check_problem(await post(gateway, content), 422)

    async def test_nested_beyond_reason_is_refused(self, gateway):
        answer = await post(gateway, b"[" * 100_000 + b"]" * 100_000)

        assert answer.status_code in {400, 413, 422}
        check_problem(answer, answer.status_code)

    async def test_with_wrong_types_names_every_fault_at_once(self, gateway):
        answer = await gateway.client.post(
            REGISTER, json={"email": 7, "password": ["x"], "full_name": {}, "timezone": True}
        )

        pointers = {fault["pointer"] for fault in check_problem(answer, 422)["errors"]}

        assert pointers == {"/email", "/password", "/full_name", "/timezone"}

    async def test_does_not_come_back_in_the_answer(self, gateway):
        answer = await gateway.client.post(
            REGISTER, json={"email": "no-address", "password": "a secret that nobody may see \x00"}
        )

        check_problem(answer, 422)
        assert "a secret that nobody may see" not in answer.text

    @pytest.mark.parametrize(
        "size", [2_000_000, 20_000_000], ids=["over the service's", "over the gateway's"]
    )
    async def test_beyond_the_limit_is_refused(self, gateway, size):
        answer = await post(gateway, b'{"email": "' + b"a" * size + b'"}')

        check_problem(answer, 413)

    @pytest.mark.parametrize(
        "content_type", ["text/plain", "application/xml", "application/x-www-form-urlencoded"]
    )
    async def test_of_another_media_type_is_not_guessed_at(self, gateway, content_type):
        answer = await post(
            gateway, b'{"email": "a@example.org", "password": "long enough 123"}', content_type
        )

        check_problem(answer, 415)


class TestAddress:
    @pytest.mark.parametrize("service", SERVICES)
    async def test_that_nobody_serves_is_not_found(self, gateway, service):
        check_problem(await gateway.get(f"/api/v1/{service}/no/such/thing"), 404)

    @pytest.mark.parametrize(
        "path", ["/nothing", "/api/v1/", "/api/v2/auth/login", "/api/v1/other/thing", "/.env"]
    )
    async def test_outside_of_every_service_is_not_found(self, gateway, path):
        check_problem(await gateway.get(path), 404)

    @pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
    async def test_with_another_method_names_the_allowed_ones(self, gateway, method):
        answer = await gateway.client.request(method, REGISTER)

        check_problem(answer, 405)
        assert answer.headers["Allow"] == "POST"

    @pytest.mark.parametrize(
        "path", ["/api/v1/profile/me%00", "/api/v1/profile/../../etc/passwd", "/api/v1/profile//me"]
    )
    async def test_that_plays_tricks_is_refused(self, gateway, path):
        answer = await gateway.get(path)

        assert answer.status_code in {400, 401, 404}
        check_problem(answer, answer.status_code)


class TestRequestId:
    async def test_of_the_caller_is_kept(self, gateway):
        answer = await gateway.get("/api/v1/profile/me", **{"X-Request-ID": "my-request-0001"})

        assert check_problem(answer, 401)["request_id"] == "my-request-0001"

    async def test_that_would_forge_a_log_line_is_replaced(self, gateway):
        answer = await gateway.get("/api/v1/profile/me", **{"X-Request-ID": 'x"} {"forged": 1'})

        assert "forged" not in check_problem(answer, 401)["request_id"]


class TestInternalRoutes:
    @pytest.mark.parametrize("service", SERVICES)
    @pytest.mark.parametrize(
        "path", ["/internal/v1/dead-letters", "/internal/v1/jobs", "/livez", "/readyz", "/metrics"]
    )
    async def test_are_not_served_at_the_gateway(self, gateway, service, path):
        assert (await gateway.get(path)).status_code == 404
        assert (await gateway.get(f"/api/v1/{service}{path}")).status_code == 404
        assert (await gateway.get(f"/api/v1/{service}/health/..%2f..{path}")).status_code in {400, 404}

    async def test_are_not_reached_by_naming_another_host(self, gateway, stack):
        port = stack.ports["profile-worker-internal"]

        answer = await gateway.get("/internal/v1/dead-letters", Host=f"127.0.0.1:{port}")

        assert answer.status_code in {400, 404}


class TestTransport:
    async def test_is_tls_only(self, stack):
        async with httpx.AsyncClient() as client:
            answer = await client.get(stack.gateway_url.replace("https:", "http:"))

        assert answer.status_code == 400

    async def test_shows_a_certificate_that_only_this_stack_vouches_for(self, stack):
        public = ssl.create_default_context()

        with pytest.raises(ssl.SSLCertVerificationError):
            await asyncio.open_connection("localhost", stack.ports["gateway"], ssl=public)
