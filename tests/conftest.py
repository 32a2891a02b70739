from hypothesis import settings

# One plugin for all suites: fixtures that each suite imported for itself would exist once for each of them.
pytest_plugins = ["tests.support.fixtures"]

# How long one example takes says more about the machine than about the code.
settings.register_profile("tests", deadline=None)
settings.load_profile("tests")
