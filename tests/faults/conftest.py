import pytest

from tests.support.campaign import chosen_seed
from tests.support.gateway import gateway, stack  # noqa: F401 - fixtures  # pytest finds fixtures by their names here
from tests.support.whole import everything_is_well, operator, parts, topics, whole  # noqa: F401 - fixtures

SAID = pytest.StashKey[list[str]]()


@pytest.fixture(scope="session")
def seed() -> int:
    return chosen_seed()


@pytest.fixture(scope="session")
def say(request):
    """Adds a line to the end of the run, which passing tests have too."""
    return request.config.stash.setdefault(SAID, []).append


def pytest_terminal_summary(terminalreporter, config):
    for line in config.stash.get(SAID, []):
        terminalreporter.write_line(f"faults: {line}")
