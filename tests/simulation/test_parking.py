from dataclasses import replace

import pytest

from tests.simulation.parking_scenario import FAULTS, ParkingScenario
from tests.simulation.parking_statements import Rules
from tests.simulation.schedules import first_failure, run_schedules

WITHIN = 3_000


class TestParking:
    def test_keeps_order_and_effect_whoever_parks_appends_and_replays_at_once(self):
        assert run_schedules(ParkingScenario(), count=3_900, faults=FAULTS)


class TestAPlantedFault:
    @pytest.mark.parametrize("rule", vars(Rules()))
    def test_is_found(self, rule: str):
        found = first_failure(
            ParkingScenario(replace(Rules(), **{rule: False})), within=WITHIN, faults=FAULTS
        )

        assert found is not None
