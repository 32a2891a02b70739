"""Which process of a run hands tests out, and which run them."""

import pytest


def hands_out(config: pytest.Config) -> bool:
    """Whether it runs none itself."""
    return bool(config.getoption("numprocesses", None)) and not hasattr(config, "workerinput")
