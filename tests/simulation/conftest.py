import logging

import pytest
import structlog

from tests.simulation import schedules


@pytest.fixture(autouse=True)
def _tell_how_many_schedules_ran(record_property):
    """`./quartet test` adds them up and prints the sum."""
    before = schedules.ran.total()
    yield
    record_property("schedules", schedules.ran.total() - before)


@pytest.fixture(scope="session", autouse=True)
def _nothing_is_logged():
    """Thousands of crashes and lost replies are what is asked for."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()
