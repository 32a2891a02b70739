from dataclasses import replace

import pytest
from aiokafka import TopicPartition

from common.messaging import intake
from common.messaging.offsets import Offsets
from tests.simulation.consumer_scenario import FAULTS, ConsumerScenario
from tests.simulation.parking_statements import Rules
from tests.simulation.schedules import first_failure, run_schedules

WITHIN = 3_000


class HastyOffsets(Offsets):
    """Commits the last that is done, whatever is not done before it."""

    def to_commit(self) -> dict[TopicPartition, int]:
        ends = {
            tp: max(one.next_offset or 0, max(one.done, default=-1) + 1)
            for tp, one in self._partitions.items()
        }
        return {tp: end for tp, end in ends.items() if end > 0}


class TestConsumers:
    def test_give_every_event_its_effect_once_and_in_order(self):
        assert run_schedules(ConsumerScenario(), count=1_500, faults=FAULTS)


class TestAPlantedFault:
    @pytest.mark.parametrize("rule", ["inbox", "parked_keys_wait"])
    def test_is_found(self, rule: str):
        found = first_failure(
            ConsumerScenario(replace(Rules(), **{rule: False})), within=WITHIN, faults=FAULTS
        )

        assert found is not None

    def test_in_the_offsets_is_found(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(intake, "Offsets", HastyOffsets)

        found = first_failure(ConsumerScenario(), within=WITHIN, faults=FAULTS)

        assert "is committed past" in str(found)

    def test_in_reading_again_after_an_error_is_found(self, monkeypatch: pytest.MonkeyPatch):
        async def go_on(_: object, __: object) -> None:
            pass

        monkeypatch.setattr(intake.Intake, "_read_again", go_on)

        found = first_failure(ConsumerScenario(), within=WITHIN, faults=FAULTS)

        assert "is committed past" in str(found)
