# One plugin for all suites: fixtures that each suite imported for itself would exist once for each of them.
pytest_plugins = ["tests.support.fixtures"]
