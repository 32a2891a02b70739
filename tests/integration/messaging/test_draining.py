import pytest
from prometheus_client import REGISTRY

from common.ids import new_id
from common.messaging.delivery import Delivery
from common.messaging.draining import Drainer
from common.messaging.failures import Failure, FailureKind
from common.postgres.engine import Database
from tests.support.messaging import each, running
from tests.support.records import message
from tests.support.waiting import eventually


@pytest.fixture
def delivery(profile: Database) -> Delivery:
    return Delivery(profile, each(), consumer=f"test-{new_id()}")


def keys(kind: FailureKind) -> float | None:
    return REGISTRY.get_sample_value("quartet_parked_keys", {"kind": kind.value})


class TestParkedKeys:
    async def test_are_counted_by_kind_with_the_age_of_the_oldest_message(self, delivery: Delivery):
        poison = Failure(FailureKind.PERMANENT, "KeyError", "raised somewhere")
        for offset in (1, 2):
            await delivery.park(message(offset), poison, attempts=1)

        async with running(Drainer(delivery, every_seconds=0.05)):
            await eventually(lambda: keys(FailureKind.PERMANENT) == 2)
            await eventually(
                lambda: (REGISTRY.get_sample_value("quartet_oldest_parked_age_seconds") or 0) > 0
            )

        assert keys(FailureKind.TRANSIENT) == 0
