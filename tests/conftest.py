import gc

from hypothesis import settings

# What is imported stays for the whole run: looking it through for garbage seldom saves a tenth of all CPU.
gc.set_threshold(50_000, 20, 50)

# One plugin for all suites: fixtures that each suite imported for itself would exist once for each of them.
pytest_plugins = ["tests.support.fixtures"]

# How long one example takes says more about the machine than about the code.
settings.register_profile("tests", deadline=None)
settings.load_profile("tests")
