import asyncio
import json

import httpx
import pytest

from common.problems import ProblemDocument
from quartet_cli.stack import Stack
from quartet_cli.stack.asking import client_context
from quartet_cli.stack.description import HOST
from tests.support.upstream import Upstream
from tests.support.waiting import eventually


def assert_problem(response: httpx.Response, status: int, code: str) -> None:
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert ProblemDocument.model_validate(problem).type == f"urn:quartet:problem:{code}"
    assert (problem["status"], problem["code"]) == (status, code)
    assert problem["request_id"] == response.headers["x-request-id"]
    assert response.headers["x-content-type-options"] == "nosniff"


async def send_raw(stack: Stack, request: bytes) -> bytes:
    """Over a connection of HTTP/1.1 by hand, for what no client library would send."""
    context = client_context(stack.ca_file)
    reader, writer = await asyncio.open_connection(HOST, stack.ports["gateway"], ssl=context)
    writer.write(request)
    answer = await reader.read()
    writer.close()
    return answer


class TestRoutes:
    async def test_each_service_is_reached_below_its_own_name(self, gateway, upstream: Upstream):
        response = await gateway.get("/api/v1/chat/sessions?limit=2")

        assert response.text == "ok"
        assert upstream.request_line() == "GET /api/v1/chat/sessions?limit=2 HTTP/1.1"

    async def test_the_gateways_own_health_asks_nobody(self, gateway):
        response = await gateway.get("/api/v1/health")

        assert response.json() == {"status": "ok", "part": "gateway"}
        assert (await gateway.head("/api/v1/health")).status_code == 200

    @pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
    @pytest.mark.parametrize("path", ["/api/v1/health", "/docs"])
    async def test_the_gateway_s_own_are_read_only(self, gateway, method, path):
        response = await gateway.request(method, path)

        assert_problem(response, 405, "method.not_allowed")
        assert response.headers["allow"] == "GET, HEAD"

    @pytest.mark.parametrize(
        "path",
        [
            "/internal/v1/users/1/export",
            "//internal/v1/users/1/export",
            "/api/v1/chat/%2e%2e/%2e%2e/%2e%2e/internal/v1/users/1/export",
            "/api/v1/chat",
            "/api/v1/billing/accounts",
            "/metrics",
            "/readyz",
            "/-/problem/404",
            "/docs/../nginx.conf",
        ],
    )
    async def test_nothing_else_is_routed(self, gateway_stack, upstream: Upstream, path):
        raw = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"

        answer = await send_raw(gateway_stack, raw.encode())

        assert answer.startswith(b"HTTP/1.1 404 ")
        assert b"route.not_found" in answer
        assert upstream.received == []

    @pytest.mark.parametrize("path", ["/", "/docs/", "/docs/index.html"])
    async def test_the_documentation_has_one_address(self, gateway, path):
        page = await gateway.get(path)

        assert (page.status_code, httpx.URL(page.headers["location"]).path) == (302, "/docs")

    async def test_the_documentation_is_one_page_without_anything_from_elsewhere(self, gateway):
        page = await gateway.get("/docs")
        script = await gateway.get("/docs/docs.js")
        services = await gateway.get("/docs/services.json")

        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert "http" not in page.text
        assert script.headers["content-type"] == "text/javascript; charset=utf-8"
        assert [entry["url"] for entry in services.json()] == [
            f"/api/v1/{name}/openapi.json" for name in ("auth", "profile", "calendar", "chat")
        ]


class TestRequests:
    async def test_a_harmless_request_id_goes_on(self, gateway, upstream: Upstream):
        await gateway.get("/api/v1/chat/usage", headers={"X-Request-ID": "abc-12345.6"})

        assert b"X-Request-ID: abc-12345.6\r\n" in upstream.received[-1]

    @pytest.mark.parametrize("given", ['x"} forged {"', "x" * 65])
    async def test_any_other_request_id_is_replaced(self, gateway, upstream: Upstream, given: str):
        """One that a service would not take stands in no log of it: the gateway's would name another."""
        await gateway.get("/api/v1/chat/usage", headers={"X-Request-ID": given})

        assert given.encode() not in upstream.received[-1]
        assert b"X-Request-ID: " in upstream.received[-1]

    async def test_what_a_client_claims_about_its_address_ends_here(self, gateway, upstream: Upstream):
        await gateway.get(
            "/api/v1/chat/usage", headers={"X-Forwarded-For": "10.9.8.7", "Forwarded": "for=10.9.8.7"}
        )

        assert b"10.9.8.7" not in upstream.received[-1]
        assert b"X-Forwarded-For: 127.0.0.1\r\n" in upstream.received[-1]

    @pytest.mark.parametrize("method", ["POST", "GET"])
    async def test_is_never_sent_twice(self, gateway, upstream: Upstream, method):
        upstream.answer = None

        response = await gateway.request(method, "/api/v1/chat/sessions")

        assert_problem(response, 503, "service.unavailable")
        assert len(upstream.received) == 1

    async def test_a_services_own_error_is_left_as_it_is(self, gateway, upstream: Upstream):
        upstream.answer = b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\nX-Own: 1\r\n\r\nmine"

        response = await gateway.get("/api/v1/chat/sessions/1")

        assert (response.text, response.headers["x-own"]) == ("mine", "1")


class TestStreams:
    @pytest.mark.parametrize("path", ["/feed", "/sessions/1/replies/text/stream"])
    async def test_pass_on_each_event_when_it_comes(self, gateway, upstream: Upstream, path):
        upstream.answer = (
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"9\r\ndata: 1\n\n\r\n"
        )

        async with gateway.stream("GET", f"/api/v1/chat{path}") as response:
            events = response.aiter_bytes()
            first = await anext(events)
            upstream.writers[-1].write(b"9\r\ndata: 2\n\n\r\n")
            second = await anext(events)

        assert (first, second) == (b"data: 1\n\n", b"data: 2\n\n")


class TestRefusals:
    async def test_an_unknown_path_is_a_problem(self, gateway):
        response = await gateway.get("/api/v2/nothing?q=1")

        assert_problem(response, 404, "route.not_found")
        assert response.json()["instance"] == "/api/v2/nothing"

    async def test_a_path_cannot_write_into_the_problem(self, gateway_stack):
        request = b'GET /x","code":"forged HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'

        answer = await send_raw(gateway_stack, request)

        problem = json.loads(answer.partition(b"\r\n\r\n")[2])
        assert (problem["code"], problem["instance"]) == ("route.not_found", "/")

    async def test_a_service_that_is_away_is_unavailable_for_now(self, gateway):
        response = await gateway.post("/api/v1/profile/me")

        assert_problem(response, 503, "service.unavailable")
        assert int(response.headers["retry-after"]) > 0

    async def test_a_body_beyond_the_limit_is_too_large(self, gateway):
        response = await gateway.post("/api/v1/chat/sessions", content=b"x" * (9 * 1024 * 1024))

        assert_problem(response, 413, "body.too_large")

    async def test_an_address_beyond_the_limit_is_too_long(self, gateway):
        response = await gateway.get("/api/v1/chat/search", params={"q": "x" * 20_000})

        assert_problem(response, 414, "request.uri_too_long")

    async def test_headers_beyond_the_limit_are_too_large(self, gateway):
        response = await gateway.get("/api/v1/chat/usage", headers={"X-Long": "x" * 20_000})

        assert_problem(response, 431, "request.headers_too_large")

    @pytest.mark.parametrize(
        "request_",
        [
            b"NONSENSE\r\n\r\n",
            b"GET /api/v1/chat/usage HTTP/1.1\r\n\r\n",
            b"GET /api/v1/chat/usage HTTP/2.9\r\nHost: localhost\r\n\r\n",
            b"POST /api/v1/chat/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        ],
        ids=["no HTTP", "no host", "no version that is known", "no coding that is known"],
    )
    async def test_a_malformed_request_is_a_problem(self, gateway_stack, request_):
        answer = await send_raw(gateway_stack, request_)

        assert answer.startswith(b"HTTP/1.1 400 ")
        assert b"application/problem+json" in answer
        assert b"request.malformed" in answer

    async def test_a_part_of_a_page_is_not_given_so_none_can_be_missing(self, gateway):
        response = await gateway.get("/docs", headers={"Range": "bytes=9999999-"})

        assert (response.status_code, response.text[:9]) == (200, "<!doctype")

    async def test_a_page_that_is_not_what_is_demanded_is_a_problem(self, gateway):
        response = await gateway.get("/docs", headers={"If-Match": '"another"'})

        assert_problem(response, 412, "precondition_failed")

    async def test_plain_http_on_the_tls_port_is_a_problem(self, gateway_stack):
        url = f"http://{HOST}:{gateway_stack.ports['gateway']}/api/v1/health"
        async with httpx.AsyncClient(trust_env=False) as client:
            response = await client.get(url)

        assert_problem(response, 400, "request.malformed")


class TestAccessLog:
    async def test_keeps_the_path_but_not_its_query(self, gateway, gateway_stack, upstream: Upstream):
        await gateway.get("/api/v1/chat/usage", params={"token": "do-not-keep"})
        log = gateway_stack.folder("gateway") / "access.log"

        await eventually(lambda: '"path":"/api/v1/chat/usage"' in log.read_text())

        assert "do-not-keep" not in log.read_text()
        assert log.stat().st_mode & 0o777 == 0o600
