"""What the whole run left in the logs (last, by its name): enough to follow a request, and no secret."""

import json
from uuid import uuid4

import pytest

from common.contracts.topics import CALENDARS, CHAT_SESSIONS, PROFILES, SERVICES
from quartet_cli.stack import Stack
from tests.support.secrets import all_secrets, leaks, logs
from tests.support.waiting import eventually


def lines_of(stack: Stack, part: str) -> list[dict]:
    found: list[dict] = []
    for line in stack.log(part).read_text(errors="replace").splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


@pytest.fixture
def new_trace() -> tuple[str, str]:
    """An id, and the header that a caller who traces would send."""
    trace_id = uuid4().hex
    return trace_id, f"00-{trace_id}-00f067aa0ba902b7-01"


class TestTrace:
    async def test_of_a_caller_is_in_the_log_of_the_request(self, gateway, stack, new_trace):
        trace_id, traceparent = new_trace

        await gateway.get("/api/v1/profile/me", traceparent=traceparent)

        def logged() -> list[dict]:
            return [line for line in lines_of(stack, "profile-api") if line.get("trace_id") == trace_id]

        assert [line["status"] for line in await eventually(logged)] == [401]

    @pytest.mark.parametrize("topic", [PROFILES, CALENDARS, CHAT_SESSIONS], ids=lambda topic: topic.name)
    async def test_is_one_from_the_request_to_what_the_last_service_tells(
        self, gateway, topics, new_trace, topic
    ):
        """Through outbox, relay, Kafka and consumer, and the outbox and relay of that service in turn."""
        trace_id, traceparent = new_trace
        answer = await gateway.client.post(
            "/api/v1/auth/register",
            json={"email": f"{trace_id}@example.org", "password": "correct horse battery staple"},
            headers={"traceparent": traceparent},
        )
        assert answer.status_code == 202

        async def told() -> list[str]:
            records = await topics.consume_all(topic)
            parents = [dict(record.headers).get("traceparent", b"").decode() for record in records]
            return [parent for parent in parents if parent.split("-")[1:2] == [trace_id]]

        assert len(await eventually(told)) == 1


async def written_to_the_end(gateway, stack) -> None:
    """The gateway keeps lines for a second before it writes them."""
    last = f"/api/v1/profile/last-{uuid4().hex}"
    await gateway.get(last)
    await eventually(lambda: any(last in text for text in logs(stack).values()), every=0.2)


class TestSecrets:
    async def test_of_the_run_are_in_no_log_of_any_process_or_server(self, gateway, stack, operator):
        password = "a password that is searched for 8c1f"
        email = "searched-for-8c1f@example.org"
        await gateway.register(email, password)
        await gateway.verify(email)
        token = (await gateway.log_in(email, password)).json()["access_token"]
        await gateway.get("/api/v1/profile/me", Authorization=f"Bearer {token}")
        await gateway.get(f"/api/v1/profile/me?token={token}")
        await gateway.log_in(email, f"{password} but wrong")
        secrets = await all_secrets(stack, operator)
        await written_to_the_end(gateway, stack)

        assert {f"password of {name}" for name in stack.passwords} <= secrets.keys()
        assert {password, token} <= set(secrets.values())
        assert leaks(stack, secrets) == []

    async def test_would_be_found_in_any_of_them(self, stack):
        """So that the search above does not pass because it looks nowhere."""
        searched = {path.name.partition(".")[0] for path in logs(stack)}

        assert {"postgres", "pgbouncer", "redis", "kafka", "gateway"} <= searched
        assert {f"{service}-{process}" for service in SERVICES for process in ("api", "worker")} <= searched

    def test_are_in_files_that_only_their_owner_reads(self, stack):
        keys = [*stack.certificates.glob("*.key"), stack.certificates / "kafka.pem"]

        assert {path.name: oct(path.stat().st_mode & 0o777) for path in keys} == {
            path.name: "0o600" for path in keys
        }
