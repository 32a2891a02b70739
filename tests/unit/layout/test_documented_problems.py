"""What a service really answers to bad requests stands in its documentation."""

import json
import re
from collections.abc import AsyncGenerator
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from common.composition.api import public_app
from common.health.checks import Checks
from common.health.routes import HealthView
from common.http.documented import DATABASE_CODES
from common.http.shared_limits import RateLimits
from common.http.tokens import AccessTokens
from common.settings import HttpSettings
from common.telemetry.logging import configure_logging
from tests.support.listening import client_of
from tests.support.repository import ROOT, SERVICE_PACKAGES
from tests.support.tokens import ISSUER, KEY, NOW, Keys

JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
BAD_REQUESTS: dict[str, dict[str, Any]] = {
    "nobody": {},
    "a broken token": {"headers": {"Authorization": "Bearer nonsense"}},
    "no JSON": {"content": b"{", "headers": JSON},
    "no UTF-8": {"content": b"\xff", "headers": JSON},
    "too deep": {"content": b"[" * 2000 + b"]" * 2000, "headers": JSON},
    "not storable": {"content": b'{"a": "\\u0000"}', "headers": JSON},
    "of another type": {"content": b"[]", "headers": JSON},
    "words": {"content": b"words", "headers": {"Content-Type": "text/plain"}},
    "packed": {"content": b"{}", "headers": {**JSON, "Content-Encoding": "gzip"}},
    "too large": {"content": b" " * 2_000_000, "headers": JSON},
    "an empty object": {"content": b"{}", "headers": JSON},
    "an empty form": {"data": {}, "headers": FORM},
    "no form": {"content": b"%ff=&&", "headers": FORM},
    "a form with a name twice": {"content": b"token=a&token=b", "headers": FORM},
}
WITHOUT_A_BODY = {"nobody", "a broken token"}


def application(service: str, free_port: int):
    api = import_module(f"{SERVICE_PACKAGES[service].name}.app").API
    health = HealthView(service=service, version="0", ready=Checks(()))
    app = public_app(api, SimpleNamespace(http=HttpSettings(port=1)), health)
    app.state.access_tokens = AccessTokens(
        issuer=ISSUER, audience="quartet", keys=Keys(KEY), revoked=set(), clock=lambda: NOW
    )
    app.state.trusted_proxies = ()
    app.state.rate_limits = RateLimits(Redis(port=free_port), prefix="test:", now_us=lambda: 0)
    return app


@pytest.fixture(params=SERVICE_PACKAGES)
async def client(request: pytest.FixtureRequest, free_port: int) -> AsyncGenerator[httpx.AsyncClient]:
    # as in a process: the console's traceback of every bug takes seconds to draw
    configure_logging(service="test", process="api")
    app = application(request.param, free_port)
    async with client_of(app) as opened:
        opened.headers["X-Service"] = request.param
        yield opened
    await app.state.rate_limits.close()


async def operations(client: httpx.AsyncClient) -> list[tuple[str, str, dict[str, Any]]]:
    document = (await client.get(f"/api/v1/{client.headers['X-Service']}/openapi.json")).json()
    return [
        (method, path.replace("{", "").replace("}", ""), operation)
        for path, told in document["paths"].items()
        for method, operation in told.items()
    ]


def undocumented(answer: httpx.Response, operation: dict[str, Any]) -> str | None:
    if answer.status_code < 400:
        return None
    told = operation["responses"].get(str(answer.status_code), {})
    if answer.headers["content-type"] not in told.get("content", {}):
        return f"{answer.status_code} {answer.headers['content-type']}"
    code = json.loads(answer.content)["code"]
    return None if code in told.get("x-problem-codes", ()) else f"{answer.status_code} {code}"


class TestEveryBadRequest:
    async def test_is_answered_with_a_problem_that_is_documented(self, client: httpx.AsyncClient):
        found = {}
        for method, path, operation in await operations(client):
            chosen = BAD_REQUESTS.keys() if "requestBody" in operation else WITHOUT_A_BODY
            for name in chosen:
                answer = await client.request(method, path, **BAD_REQUESTS[name])
                found[f"{method} {path}: {name}"] = undocumented(answer, operation)

        assert {name: told for name, told in found.items() if told is not None} == {}
        assert found


class TestTheDatabasesProblems:
    def test_that_pass_by_themselves_are_all_documented(self):
        sources = (ROOT / "libs/common/src/common/postgres").rglob("*.py")
        raised = {
            code
            for path in sources
            for code in re.findall(r'unavailable\(\s*"(database\.\w+)"', path.read_text())
        }

        assert "database.unavailable" in raised
        assert raised <= set(DATABASE_CODES)
