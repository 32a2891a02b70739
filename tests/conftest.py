import atexit
import gc

import pytest

from tests.support.handing_out import hands_out

# What is imported stays for the whole run: looking it through for garbage seldom saves a tenth of all CPU.
gc.set_threshold(50_000, 20, 50)
# and the last look, when all is over, finds nothing that anybody needs back
atexit.register(gc.freeze)


def pytest_configure(config: pytest.Config) -> None:
    """A process that only hands tests out to others imports nothing that tests need."""
    if hands_out(config):
        return
    # one for all suites: fixtures that each suite imported for itself would exist once for each of them
    config.pluginmanager.import_plugin("tests.support.fixtures")
    from hypothesis import settings

    # How long one example takes says more about the machine than about the code.
    settings.register_profile("tests", deadline=None)
    settings.load_profile("tests")
