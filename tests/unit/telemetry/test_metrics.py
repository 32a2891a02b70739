from uuid import uuid4

import httpx
from fastapi import APIRouter

from common.http.app import create_app
from common.telemetry.metrics import exposition
from tests.support.listening import client_of


def series() -> set[str]:
    """Each metric with its labels."""
    lines = exposition().decode().splitlines()
    return {line.rpartition(" ")[0] for line in lines if line.startswith("quartet_")}


async def ask_for(client: httpx.AsyncClient, invented: str) -> None:
    headers = {"User-Agent": invented, "X-Request-Id": f"request-{invented}", "Origin": f"https://{invented}"}
    for path in (f"/{invented}", f"/api/v1/metered/{invented}", f"/api/v1/metered/things/{invented}"):
        for method in ("GET", "POST", "PURGE"):
            await client.request(method, f"{path}?{invented}={invented}", headers=headers)


class TestRequestMetrics:
    async def test_are_by_route_template(self):
        router = APIRouter()

        @router.get("/things/{name}")
        async def get_thing(name: str) -> str:
            return name

        secret = uuid4().hex
        async with client_of(create_app(title="Metered", service="metered", routers=[router])) as client:
            await client.get(f"/api/v1/metered/things/{secret}")
            await client.get(f"/{secret}")

        text = exposition().decode()
        assert (
            'quartet_http_request_seconds_count{method="GET",route="/api/v1/metered/things/{name}",status="200"}'
            in text
        )
        assert secret not in text

    async def test_count_problems_by_code(self):
        async with client_of(create_app(title="Metered", service="metered")) as client:
            await client.get("/nothing")

        assert 'quartet_http_problems_total{code="route.not_found"}' in exposition().decode()

    async def test_do_not_grow_with_what_callers_invent(self):
        router = APIRouter()

        @router.get("/things/{name}")
        async def get_thing(name: str) -> str:
            return name

        async with client_of(create_app(title="Metered", service="metered", routers=[router])) as client:
            await ask_for(client, "0")
            before = series()
            for number in range(1, 5):
                await ask_for(client, str(number))

        assert series() == before

    async def test_do_not_grow_with_invented_methods(self):
        invented = "X" + uuid4().hex.upper()
        async with client_of(create_app(title="Metered", service="metered")) as client:
            answer = await client.request(invented, "/nothing")

        assert answer.status_code == 400
        assert invented not in exposition().decode()
