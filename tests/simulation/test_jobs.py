from dataclasses import replace

import pytest

from tests.simulation.job_scenario import FAULTS, JobScenario
from tests.simulation.job_statements import Rules
from tests.simulation.schedules import first_failure, run_schedules

WITHIN = 400


class TestJobs:
    def test_are_done_once_in_effect_and_end_after_every_fault(self):
        scenario = JobScenario()

        assert run_schedules(scenario, count=150, faults=FAULTS)

        assert scenario.taken_over
        assert scenario.cancelled


class TestAPlantedFault:
    @pytest.mark.parametrize(
        ("rule", "told"),
        [
            ("lease_in_claim", "claimed while the lease of another stands"),
            ("claim_in_progress", "pages:"),
            ("claim_in_ending", "has ended"),
        ],
    )
    def test_is_found(self, rule, told):
        found = first_failure(JobScenario(replace(Rules(), **{rule: False})), within=WITHIN, faults=FAULTS)

        assert told in str(found)
