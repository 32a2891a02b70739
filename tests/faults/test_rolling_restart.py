"""SIGTERM to each kind of process under load: no request fails, no message is lost or has its effect twice.

The stack has one process of each kind, and nobody else to send requests to while it restarts. An api is
therefore shown with a second one beside it and callers that go where `/readyz` says 200, as a load balancer
does. The workers that are told to leave are the stack's own.
"""

import asyncio
import random
import signal
from collections import Counter
from collections.abc import Awaitable, Callable

import httpx
import pytest

from common.contracts.topics import SERVICES, USERS
from quartet_cli.stack import Stack
from tests.support.accounting import LISTENERS, accounts, incomplete, parked, tellings, waiting
from tests.support.gateway import PASSWORD, Gateway, Newcomer
from tests.support.instances import beside, samples
from tests.support.parts import WORKERS, Parts, probe
from tests.support.traffic import Registrations, Requests
from tests.support.waiting import eventually

pytestmark = pytest.mark.usefixtures("everything_is_well")

DELAY_SECONDS = 3.0
PATHS = {
    "profile": "/api/v1/profile/me",
    "calendar": "/api/v1/calendar/categories",
    "chat": "/api/v1/chat/usage",
}


class TestApis:
    async def test_that_leave_fail_no_request(self, stack, parts, gateway):
        # of each service another one: who signs in over and over loses the older sessions
        callers = {name: await gateway.newcomer() for name in SERVICES}
        for caller in callers.values():
            await eventually(lambda caller=caller: _arrived(gateway, caller), within=30, every=0.2)
        async with asyncio.TaskGroup() as all_at_once:
            leaving = [
                all_at_once.create_task(_leave(stack, parts, name, who)) for name, who in callers.items()
            ]

        for outcomes in (task.result() for task in leaving):
            answered = {outcome.partition(" of ")[0] for outcome in outcomes}
            assert answered == {"200"}, outcomes
            assert len(outcomes) == 2, outcomes


async def _leave(stack: Stack, parts: Parts, service: str, who: Newcomer) -> Counter[str]:
    """How requests to two instances ended of which one was told to leave meanwhile."""
    own = f"http://127.0.0.1:{stack.ports[f'{service}-api']}"
    async with (
        beside(stack, service, "api", DRAIN_DELAY_SECONDS=str(DELAY_SECONDS)) as leaver,
        httpx.AsyncClient(trust_env=False, timeout=20) as client,
    ):
        targets = {parts.probe_url(f"{service}-api"): own, leaver.probe_url: leaver.url}
        load = Requests(_request(client, targets, service, who))
        async with load.flowing():
            await load.more(20)
            leaver.send(signal.SIGTERM)
            assert await leaver.ended() == 0
            await load.more(10)
    return load.outcomes


def _request(
    client: httpx.AsyncClient, targets: dict[str, str], service: str, who: Newcomer
) -> Callable[[], Awaitable[str]]:
    """Goes where it was just told that somebody is ready; targets are given by where that is asked."""

    async def ask() -> str:
        asked = random.choice(sorted(targets))
        while await probe(asked, "readyz") != 200:
            asked = random.choice(sorted(targets))
        target = targets[asked]
        if service == "auth":
            body = {"email": who.email, "password": PASSWORD}
            answer = await client.post(f"{target}/api/v1/auth/login", json=body)
        else:
            answer = await client.get(f"{target}{PATHS[service]}", headers=who.authorization)
        return f"{answer.status_code} of {target}"

    return ask


async def _arrived(gateway: Gateway, who: Newcomer) -> bool:
    answers = [await gateway.get(path, who) for path in PATHS.values()]
    return {answer.status_code for answer in answers} == {200}


class TestWorkers:
    async def test_that_leave_lose_and_double_nothing(self, stack, parts, operator, topics):
        load = Registrations(stack)
        async with load.flowing():
            await load.accepted_more(10)
            left = [parts.send(name, signal.SIGTERM) for name in WORKERS]
            await load.accepted_more(10)
            await eventually(lambda: not any(one.is_alive() for one in left), within=30, every=0.2)
            await parts.well()
            await load.accepted_more(5)
        await eventually(lambda: _nothing(incomplete(operator, load.prefix)), within=60, every=0.2)
        await eventually(lambda: _nothing(waiting(operator)), every=0.2)
        users = [account.user_id for account in await accounts(operator, load.prefix)]
        told = await tellings(topics, USERS, users)
        twice = [await _delivered_twice(parts, name) for name in LISTENERS]

        assert set(load.answers) == {"202"}, load.answers
        assert len(users) == len(load.accepted)
        assert {key: len(found) for key, found in told.items() if len(found) != 1} == {}
        assert {partition: number for one in twice for partition, number in one.items() if number > 1} == {}
        assert await parked(operator) == {}


async def _delivered_twice(parts: Parts, service: str) -> dict[tuple[str, str], float]:
    """By partition, by the worker that started anew: what the one before had done and not committed."""
    url = parts.probe_url(f"{service}-worker")
    repeated = await samples(url, "quartet_consumed_total", topic=USERS.name, result="duplicate")
    handled = await samples(url, "quartet_consumed_total", topic=USERS.name, result="handled")
    assert handled, f"{service}'s worker tells nothing of what it consumed"
    return {(service, sample.labels["partition"]): sample.value for sample in repeated or ()}


async def _nothing(found: Awaitable[object]) -> bool:
    answer = await found
    assert not answer, answer
    return True
