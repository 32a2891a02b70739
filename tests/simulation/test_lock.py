import asyncio

from common.locks import Outcome, lock
from common.locks.hold import Hold
from tests.simulation.lock_scenario import FAULTS, LockScenario
from tests.simulation.redis import RedisRules
from tests.simulation.schedules import first_failure, run_schedules

WITHIN = 3_000


class HoldFromTheReply(Hold):
    """The mistake that redis-py's lock makes."""

    def granted(self, *, sent_at: float, fence: int) -> None:
        super().granted(sent_at=asyncio.get_running_loop().time(), fence=fence)


class TestTheLock:
    def test_has_one_who_believes_to_hold_it_and_everybody_goes_on(self):
        scenario = LockScenario()

        assert run_schedules(scenario, count=1_200, faults=FAULTS)

        assert set(scenario.outcomes) == set(Outcome)


class TestAPlantedFault:
    def test_in_the_owner_check_of_release_is_found(self):
        broken = LockScenario(RedisRules(owner_check_in_release=False))

        found = first_failure(broken, within=WITHIN, faults=FAULTS)

        assert "believe that they hold the lock" in str(found)

    def test_of_counting_from_the_reply_is_found(self, monkeypatch):
        monkeypatch.setattr(lock, "Hold", HoldFromTheReply)

        found = first_failure(LockScenario(), within=WITHIN, faults=FAULTS)

        assert "believe that they hold the lock" in str(found)
