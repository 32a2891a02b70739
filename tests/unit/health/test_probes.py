from collections.abc import AsyncGenerator

import httpx
import pytest
from jsonschema_rs import validator_for

from common.errors import unavailable
from common.health.checks import Check, Checks, Severity, Unwell, immediate
from common.health.probes import probe_app
from common.health.routes import HealthView
from common.http.app import create_app
from tests.support.listening import client_of


class State:
    def __init__(self) -> None:
        self.failing: set[str] = set()

    def check(self, name: str, *, severity: Severity = Severity.CRITICAL) -> Check:
        def ask() -> str:
            if name in self.failing:
                raise Unwell(f"{name} is away")
            return "fine"

        return immediate(name, ask, severity=severity)


@pytest.fixture
def state() -> State:
    return State()


@pytest.fixture
def ready(state: State) -> Checks:
    return Checks(
        [
            state.check("database"),
            state.check("schema"),
            state.check("redis", severity=Severity.DEGRADING),
        ]
    )


class TestTheProbePort:
    @pytest.fixture
    async def client(self, state: State, ready: Checks) -> AsyncGenerator[httpx.AsyncClient]:
        live = Checks([state.check("loop")])
        async with client_of(probe_app(live=live, ready=ready, started=ready)) as opened:
            yield opened

    @pytest.mark.parametrize("path", ["/livez", "/readyz", "/startupz", "/readyz/database"])
    async def test_answers_200_when_all_is_well(self, client: httpx.AsyncClient, path: str):
        assert (await client.get(path)).status_code == 200

    async def test_answers_503_when_a_critical_check_fails(self, client: httpx.AsyncClient, state: State):
        state.failing.add("database")

        answer = await client.get("/readyz")

        assert answer.status_code == 503
        assert answer.json() == {"status": "failing", "failing": ["database"]}
        assert (await client.get("/readyz/database")).status_code == 503
        assert (await client.get("/readyz/schema")).status_code == 200

    async def test_lives_whatever_the_neighbours_do(self, client: httpx.AsyncClient, state: State):
        state.failing |= {"database", "schema", "redis"}

        assert (await client.get("/livez")).status_code == 200

    async def test_stays_ready_when_only_redis_is_away(self, client: httpx.AsyncClient, state: State):
        state.failing.add("redis")

        answer = await client.get("/readyz")

        assert answer.status_code == 200
        assert answer.json() == {"status": "degraded", "failing": ["redis"]}

    async def test_leaves_out_what_it_is_told_to(self, client: httpx.AsyncClient, state: State):
        state.failing |= {"database", "schema"}

        one = await client.get("/readyz?exclude=database")
        both = await client.get("/readyz?exclude=database,schema&exclude=moon&verbose")

        assert one.status_code == 503
        assert both.status_code == 200
        assert both.json()["excluded"] == ["database", "schema"]

    @pytest.mark.parametrize("asked", ["exclude=moon", "exclude=moon&verbose"])
    async def test_names_what_it_was_told_to_leave_out_and_does_not_know(
        self, client: httpx.AsyncClient, state: State, asked: str
    ):
        state.failing.add("database")

        answer = await client.get(f"/readyz?{asked}")

        assert answer.status_code == 503
        assert answer.json()["unknown"] == ["moon"]

    async def test_shows_every_check_on_request(self, client: httpx.AsyncClient):
        answer = await client.get("/readyz?verbose")

        checks = answer.json()["checks"]
        assert [check["name"] for check in checks] == ["database", "schema", "redis"]
        assert checks[0].keys() == {"name", "status", "severity", "detail", "milliseconds", "data"}

    async def test_knows_no_other_check(self, client: httpx.AsyncClient):
        answer = await client.get("/readyz/moon")

        assert (answer.status_code, answer.json()["code"]) == (404, "route.not_found")

    @pytest.mark.parametrize("path", ["/livez", "/readyz", "/startupz", "/readyz/database", "/metrics"])
    @pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
    async def test_takes_get_only(self, client: httpx.AsyncClient, method: str, path: str):
        answer = await client.request(method, path)

        assert (answer.status_code, answer.json()["code"]) == (405, "method.not_allowed")
        assert answer.headers["Allow"] == "GET, HEAD"

    async def test_takes_head_as_get_without_a_body(self, client: httpx.AsyncClient, state: State):
        state.failing.add("database")

        answer = await client.head("/readyz")

        assert (answer.status_code, answer.content) == (503, b"")

    @pytest.mark.parametrize("path", ["/livez", "/readyz?verbose", "/readyz/database", "/metrics"])
    async def test_is_not_to_be_cached(self, client: httpx.AsyncClient, path: str):
        assert (await client.get(path)).headers["Cache-Control"] == "no-store"

    async def test_serves_the_metrics(self, client: httpx.AsyncClient):
        await client.get("/readyz")

        answer = await client.get("/metrics")

        assert 'quartet_check_healthy{check="database"} 1.0' in answer.text
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")


class TestTheOlderPaths:
    @pytest.fixture
    async def client(self, ready: Checks) -> AsyncGenerator[httpx.AsyncClient]:
        health = HealthView(service="auth", version="1.2.3", ready=ready)
        app = create_app(title="Auth", service="auth", health=health)
        async with client_of(app) as opened:
            yield opened

    @pytest.mark.parametrize("base", ["/api/v1/health", "/api/v1/auth/health"])
    async def test_are_served_twice(self, client: httpx.AsyncClient, base: str):
        brief = await client.get(base)
        database = await client.get(f"{base}/database")
        detailed = await client.get(f"{base}/detailed")

        assert brief.json() == {"status": "ok", "service": "auth", "version": "1.2.3"}
        assert database.json().keys() == {"status", "latency_ms"}
        assert [check["name"] for check in detailed.json()["checks"]] == ["database", "schema", "redis"]

    async def test_are_503_without_the_database(self, client: httpx.AsyncClient, state: State):
        state.failing.add("database")

        answers = [await client.get(f"/api/v1/auth/health{path}") for path in ("", "/database", "/detailed")]

        assert [answer.status_code for answer in answers] == [503, 503, 503]
        assert all(int(answer.headers["Retry-After"]) > 0 for answer in answers)

    @pytest.mark.parametrize("path", ["", "/database", "/detailed"])
    async def test_are_documented_as_they_answer(self, client: httpx.AsyncClient, state: State, path: str):
        document = (await client.get("/api/v1/auth/openapi.json")).json()
        told = document["paths"][f"/api/v1/auth/health{path}"]["get"]["responses"]

        answers = [await client.get(f"/api/v1/auth/health{path}")]
        state.failing.add("database")
        answers.append(await client.get(f"/api/v1/auth/health{path}"))

        for answer in answers:
            schema = told[str(answer.status_code)]["content"][answer.headers["content-type"]]["schema"]
            validator_for(schema | {"components": document["components"]}).validate(answer.json())

    async def test_are_200_and_degraded_without_redis(self, client: httpx.AsyncClient, state: State):
        state.failing.add("redis")

        answer = await client.get("/api/v1/auth/health")

        assert (answer.status_code, answer.json()["status"]) == (200, "degraded")

    async def test_name_no_host_and_no_secret(self):
        async def ask() -> str:
            raise OSError("connect to db-1.internal:5432 as auth_api failed: hunter2")

        async def busy() -> str:
            raise unavailable("database.pool_full", "db-1.internal is full")

        health = HealthView("auth", "1", Checks([Check("database", ask), Check("pool", busy)]))
        async with client_of(create_app(title="Auth", service="auth", health=health)) as client:
            answer = await client.get("/api/v1/auth/health/detailed")

        assert answer.status_code == 503
        assert "db-1" not in answer.text
        assert "hunter2" not in answer.text
