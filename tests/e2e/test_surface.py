import json
from importlib import import_module
from typing import Any
from uuid import uuid4

import httpx
import pytest

from common.contracts.topics import SERVICES, heard_by
from quartet_cli.stack import Stack
from quartet_cli.stack.table import ENTRIES, PROCESSES
from tests.support.cli import quartet
from tests.support.metrics_page import PAGE
from tests.support.repository import SERVICE_PACKAGES
from tests.support.tls import client_context
from tests.support.waiting import eventually

OPERATED = [
    *((service, "/internal/v1/jobs") for service in SERVICES),
    # who listens to nobody parks nothing
    *((service, "/internal/v1/dead-letters") for service in SERVICES if heard_by(service)),
    # who seals nothing has no keys
    ("auth", "/internal/v1/keys"),
]

HEADS = {
    service: import_module(f"{SERVICE_PACKAGES[service].name}.storage.tables").HEAD for service in SERVICES
}

each_service = pytest.mark.parametrize("service", SERVICES)


class TestHealth:
    @each_service
    async def test_of_a_service_is_told_at_the_gateway(self, gateway, service):
        brief = await gateway.get(f"/api/v1/{service}/health")
        database = await gateway.get(f"/api/v1/{service}/health/database")
        detailed = await gateway.get(f"/api/v1/{service}/health/detailed")

        assert (brief.status_code, database.status_code, detailed.status_code) == (200, 200, 200)
        assert brief.json()["service"] == service
        assert database.json()["latency_ms"] > 0

    @each_service
    async def test_of_a_service_tells_its_figures(self, gateway, service):
        """Kafka's are the worker's, by its heartbeat: the api does not know Kafka."""
        detailed = (await gateway.get(f"/api/v1/{service}/health/detailed")).json()
        checks = {check["name"]: check for check in detailed["checks"]}

        assert {check["status"] for check in checks.values()} == {"ok"}
        assert checks["pool"]["data"].keys() >= {"size", "checked_out", "idle", "waiting"}
        assert checks["schema"]["data"] == {"head": HEADS[service], "found": HEADS[service]}
        assert checks["kafka"]["data"]["workers"] == 1
        # another test's events may still be on their way
        assert checks["kafka"]["data"]["lag"] >= 0
        assert checks["redis"]["detail"] == "answers"

    async def test_of_the_gateway_is_its_own(self, gateway):
        assert (await gateway.get("/api/v1/health")).status_code == 200

    @each_service
    @pytest.mark.parametrize("path", ["/api/v1/health", "/api/v1/health/database", "/api/v1/health/detailed"])
    async def test_is_told_on_the_port_of_the_api_by_its_older_paths(self, stack, service, path):
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{stack.ports[f'{service}-api']}") as client:
            answers = [await client.get(path), await client.post(path)]

        assert [answer.status_code for answer in answers] == [200, 405]

    @each_service
    @pytest.mark.parametrize("process", ["api", "worker"])
    @pytest.mark.parametrize("probe", ["livez", "readyz", "startupz", "metrics"])
    async def test_of_a_process_is_told_on_its_probe_port(self, stack, service, process, probe):
        port = stack.ports[f"{service}-{process}-probe"]

        async with httpx.AsyncClient() as client:
            answer = await client.get(f"http://127.0.0.1:{port}/{probe}")

        assert answer.status_code == 200

    @each_service
    @pytest.mark.parametrize("process", ["api", "worker"])
    async def test_of_a_process_has_no_metric_that_is_not_on_their_page(self, stack, service, process):
        async with httpx.AsyncClient() as client:
            answer = await client.get(f"http://127.0.0.1:{stack.ports[f'{service}-{process}-probe']}/metrics")
        told = {line.split()[2] for line in answer.text.splitlines() if line.startswith("# HELP quartet_")}

        assert told
        assert {name for name in told if f"`{name}`" not in PAGE.read_text()} == set()


class TestDocumentation:
    @each_service
    async def test_of_a_service_names_its_problems_and_who_may_call(self, gateway, service):
        document = (await gateway.get(f"/api/v1/{service}/openapi.json")).json()

        operations = [op for path in document["paths"].values() for op in path.values()]
        assert document["openapi"].startswith("3.1")
        assert all("application/problem+json" in str(op["responses"]) for op in operations)
        assert all(path.startswith(("/api/v1/", "/.well-known/", "/oauth/")) for path in document["paths"])

    async def test_of_all_is_one_page(self, gateway):
        page = await gateway.client.get("/docs", follow_redirects=True)

        assert page.status_code == 200
        assert page.headers["Content-Type"].startswith("text/html")


class TestDiscovery:
    async def test_leads_through_the_gateway_to_what_it_names(self, gateway):
        told = (await gateway.get("/.well-known/openid-configuration")).json()

        keys = await gateway.client.get(told["jwks_uri"])
        refused = [
            await gateway.client.post(told[f"{name}_endpoint"], data={"token": "x"})
            for name in ("token", "introspection")
        ]
        revoked = await gateway.client.post(told["revocation_endpoint"], data={"token": "x"})

        assert keys.json()["keys"]
        assert {(answer.status_code, answer.json()["error"]) for answer in refused} == {
            (401, "invalid_client")
        }
        assert revoked.status_code == 200

    async def test_names_what_services_reach_at_the_internal_port_too(self, stack):
        base = f"https://localhost:{stack.ports['auth-api-internal']}"

        async with httpx.AsyncClient(base_url=base, verify=client_context(stack, "chat")) as client:
            answers = [
                await client.post(f"/oauth/{name}", data={"token": "x"}) for name in ("token", "introspect")
            ]

        assert [answer.json()["error"] for answer in answers] == ["invalid_client", "invalid_client"]


class TestDeadLetters:
    @pytest.mark.parametrize("verb", ["show", "replay", "drop"])
    async def test_that_are_not_there_are_no_success(self, stack, verb):
        told = await quartet("dlq", verb, str(uuid4()))

        assert told.code == 1
        assert "no service has a parked message" in told.errors

    async def test_of_a_key_that_has_none_are_told(self, stack):
        told = await quartet("dlq", "replay", "--key", str(uuid4()))

        assert (told.code, told.output) == (0, "No parked message fits; none was replayed.\n")


class TestStatus:
    async def test_tells_programs_of_every_part(self, stack):
        async def all_run() -> dict[str, Any]:
            told = await quartet("status", "--json")
            found = json.loads(told.output)
            assert {part["state"] for part in found["parts"]} == {"ready", "done"}
            assert told.code == 0
            return found

        found = await eventually(all_run, within=60)

        assert found["gateway"] == stack.gateway_url
        assert {f"{entry.name}-{process}" for entry in ENTRIES for process in PROCESSES} <= {
            part["name"] for part in found["parts"]
        }
        fields = {"name", "state", "pid", "url", "probe_url", "rss_bytes"}
        assert all(fields <= part.keys() for part in found["parts"])
        assert all(part["pid"] and part["rss_bytes"] for part in found["parts"] if part["state"] == "ready")


class TestVerbsOfTheOperator:
    async def test_ask_every_service(self, stack):
        jobs = await quartet("jobs", "list", "--json")
        keys = await quartet("keys", "list")

        assert (jobs.code, keys.code) == (0, 0), jobs.errors + keys.errors
        assert "signing_keys.private_sealed" in keys.output


class TestInternalPort:
    """Reached past the gateway, as only another process of the installation could."""

    @each_service
    async def test_speaks_tls_with_the_stacks_own_authority_only(self, stack, service):
        port = stack.ports[f"{service}-worker-internal"]

        async with httpx.AsyncClient() as plain:
            with pytest.raises(httpx.RemoteProtocolError):
                await plain.get(f"http://127.0.0.1:{port}/internal/v1/dead-letters")
            with pytest.raises(httpx.ConnectError):
                await plain.get(f"https://localhost:{port}/internal/v1/dead-letters")

    @pytest.mark.parametrize(("service", "path"), OPERATED)
    async def test_serves_the_operator_and_no_service(self, stack, service, path):
        stranger = "profile" if service != "profile" else "chat"

        statuses = {
            name: await ask(stack, f"{service}-worker-internal", path, certificate)
            for name, certificate in (("nobody", None), ("stranger", stranger), ("operator", "operator"))
        }

        assert statuses == {"nobody": 401, "stranger": 403, "operator": 200}


async def ask(stack: Stack, port: str, path: str, certificate: str | None) -> int:
    context = client_context(stack, certificate)
    async with httpx.AsyncClient(verify=context) as client:
        return (await client.get(f"https://localhost:{stack.ports[port]}{path}")).status_code
