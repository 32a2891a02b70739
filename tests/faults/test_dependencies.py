"""What goes on while something that everybody needs is dead; it comes back without anybody's help."""

import pytest

from tests.support.accounting import incomplete, waiting
from tests.support.gateway import Newcomer
from tests.support.parts import APIS, WORKERS, probe, probes
from tests.support.traffic import Registrations
from tests.support.waiting import eventually

pytestmark = pytest.mark.usefixtures("everything_is_well")

MEDIA_TYPE = "application/problem+json"


async def visible(gateway, who: Newcomer) -> bool:
    """The registration has arrived at all three listeners."""
    profile = await gateway.get("/api/v1/profile/me", who)
    categories = await gateway.get("/api/v1/calendar/categories", who)
    usage = await gateway.get("/api/v1/chat/usage", who)
    return (
        profile.json()["version"] >= 1 and usage.status_code == 200 and len(categories.json()["items"]) == 5
    )


def all_of(status: int) -> dict[str, int]:
    return dict.fromkeys((*APIS, *WORKERS), status)


async def every_probe(parts, name: str, status: int) -> bool:
    answers = await probes(parts, name)
    assert answers == all_of(status), answers
    return True


class TestWithoutKafka:
    async def test_registrations_are_accepted_and_their_events_flow_when_it_is_back(
        self, gateway, parts, operator, stack
    ):
        load = Registrations(stack)
        async with parts.outage("kafka"):
            async with load.flowing():
                await load.accepted_more(10)
            assert await probes(parts, "readyz") == all_of(200)
            assert await waiting(operator) == {"auth": len(load.accepted)}

        assert set(load.answers) == {"202"}
        await eventually(lambda: _nothing(incomplete(operator, load.prefix)), within=60, every=0.2)
        await eventually(lambda: _nothing(waiting(operator)), every=0.2)


class TestWithoutRedis:
    async def test_a_newcomer_gets_everything(self, gateway, parts):
        async with parts.outage("redis"):
            ada = await gateway.newcomer()

            assert await eventually(lambda: visible(gateway, ada), within=20, every=0.2)
            assert await probes(parts, "readyz") == all_of(200)


@pytest.mark.parametrize("dead", ["postgres", "pgbouncer"])
class TestWithoutTheDatabase:
    async def test_requests_are_refused_with_a_time_to_come_back(self, gateway, parts, dead):
        ada = await gateway.newcomer()
        async with parts.outage(dead):
            refused = [
                await gateway.register(f"never-{ada.email}"),
                await gateway.log_in(ada.email),
                await gateway.get("/api/v1/profile/me", ada),
            ]
            await eventually(lambda: every_probe(parts, "readyz", 503), within=30, every=0.5)
            assert await probes(parts, "livez") == all_of(200)

        for answer in refused:
            assert answer.status_code == 503, answer.text
            assert answer.headers["Content-Type"] == MEDIA_TYPE
            assert int(answer.headers["Retry-After"]) > 0
            assert answer.json()["status"] == 503
        await eventually(lambda: every_probe(parts, "readyz", 200), within=60, every=0.5)
        grace = await gateway.newcomer()
        assert await eventually(lambda: visible(gateway, grace), within=60, every=0.2)


class TestWithoutTheKeysOfTokens:
    async def test_whoever_was_let_in_before_is_let_in(self, gateway, parts):
        ada = await gateway.newcomer()
        await eventually(lambda: visible(gateway, ada), within=30, every=0.2)
        grace = await gateway.newcomer()

        async with parts.outage("auth-api"):
            assert await visible(gateway, ada)
            # another token of the same key
            assert await eventually(lambda: visible(gateway, grace), within=20, every=0.2)
            assert await probe(parts.probe_url("profile-api"), "readyz") == 200


async def _nothing(found) -> bool:
    answer = await found
    assert not answer, answer
    return True
