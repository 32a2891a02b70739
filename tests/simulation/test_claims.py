from dataclasses import replace

import pytest

from tests.simulation.claim_scenario import FAULTS, ClaimScenario, Rules
from tests.simulation.schedules import first_failure, run_schedules

WITHIN = 3_000


class TestClaimedWork:
    def test_has_one_effect_for_each_version_and_goes_on_after_every_fault(self):
        scenario = ClaimScenario()

        assert run_schedules(scenario, count=700, faults=FAULTS)

        assert scenario.taken_over


class TestAPlantedFault:
    @pytest.mark.parametrize(
        ("rule", "told"),
        [
            ("claim_in_finish", "a result counts whose claim is another's by now"),
            ("state_in_take", "taken while the claim of another stands"),
            ("version_in_take", "taken on a version that nobody asked for"),
        ],
    )
    def test_is_found(self, rule, told):
        found = first_failure(ClaimScenario(replace(Rules(), **{rule: False})), within=WITHIN, faults=FAULTS)

        assert told in str(found)
