from uuid import uuid4

from fastapi import APIRouter

from common.http.app import create_app
from common.telemetry.metrics import exposition
from tests.support.listening import client_of


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

    async def test_do_not_grow_with_invented_methods(self):
        invented = "X" + uuid4().hex.upper()
        async with client_of(create_app(title="Metered", service="metered")) as client:
            answer = await client.request(invented, "/nothing")

        assert answer.status_code == 400
        assert invented not in exposition().decode()
