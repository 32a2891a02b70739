import pytest

from tests.simulation import schedules


@pytest.fixture(autouse=True)
def _tell_how_many_schedules_ran(record_property):
    """`./quartet test` adds them up and prints the sum."""
    before = schedules.ran.total()
    yield
    record_property("schedules", schedules.ran.total() - before)
