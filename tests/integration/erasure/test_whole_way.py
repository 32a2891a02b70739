"""An erasure from the request to the last confirmation, over Kafka: relays and consumers of all services."""

from urllib.parse import urljoin
from uuid import uuid4

import pytest

from common.contracts.topics import SERVICES, USERS
from common.messaging.consumer import Consumer
from common.messaging.hints import Wakeups
from common.messaging.relay import Relay
from tests.support.accounts import add_user
from tests.support.erasing import Applying, rows_naming
from tests.support.factories import user_registered
from tests.support.messaging import running
from tests.support.outbox import QUICK
from tests.support.waiting import eventually

ADA, PASSWORD = "ada@example.org", "correct horse battery"


@pytest.fixture
async def services(installation, databases, streams, kafka_settings, redis_clients):
    """As their workers run them."""
    applying = {service: Applying(service, databases) for service in SERVICES}
    parts = []
    for service, one in applying.items():
        wakeups = Wakeups(redis_clients(service), installation.redis_settings(service).prefix, ["outbox"])
        kafka = kafka_settings(service)
        parts += [
            Relay(one.database, kafka, wakeups, service=service, settings=QUICK),
            Consumer(one.database, kafka, one.delivery.handlers, name=uuid4().hex),
        ]
    async with running(*parts):
        yield applying


class TestAnErasure:
    async def test_is_confirmed_by_every_service_that_heard_of_the_user(self, auth_app, services, superuser):
        stored = await auth_app.resources.hashing.hash(PASSWORD)
        ada = await add_user(superuser, email=ADA, hashed_password=stored)
        for service in USERS.listeners:
            await services[service].apply(user_registered(ada))
        tokens = await auth_app.log_in(ADA, PASSWORD)

        async with auth_app.client(tokens["access_token"]) as client:
            asked = await client.post("/me/erasure", json={"password": PASSWORD})
        async with auth_app.client() as stranger:

            async def erased() -> bool:
                state = await stranger.get(urljoin("http://auth.test", asked.headers["Location"]))
                return state.json()["state"] == "erased"

            # groups that have just begun take seconds until they have their partitions
            await eventually(erased, within=40)

        for service in USERS.listeners:
            assert await rows_naming(superuser, service, ada) == {"erased_users": 1}
