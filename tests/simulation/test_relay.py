from dataclasses import replace

import pytest

from tests.simulation.relay_scenario import FAULTS, RelayScenario, Rules
from tests.simulation.schedules import first_failure, run_schedules

WITHIN = 3_000


class TestTheRelay:
    def test_loses_nothing_and_keeps_the_order_of_every_key(self):
        assert run_schedules(RelayScenario(), count=2_000, faults=FAULTS)

    def test_keeps_the_order_of_commits_although_use_cases_record_before_they_lock(self):
        assert run_schedules(RelayScenario(forgetful=True), count=500, faults=FAULTS)


class TestAPlantedFault:
    @pytest.mark.parametrize(
        "rule",
        [
            "lock_of_the_aggregate",
            "lock_of_the_batch",
            "lease",
            "fence",
            "no_cursor",
            "writers_are_waited_for",
        ],
    )
    def test_is_found(self, rule: str):
        found = first_failure(RelayScenario(replace(Rules(), **{rule: False})), within=WITHIN, faults=FAULTS)

        assert found is not None

    def test_in_the_lock_of_the_key_is_found_where_use_cases_forget_theirs(self):
        broken = RelayScenario(Rules(lock_of_the_key=False), forgetful=True)

        assert first_failure(broken, within=WITHIN, faults=FAULTS) is not None
