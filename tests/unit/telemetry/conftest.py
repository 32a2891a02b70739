import pytest

from common.telemetry.logging import configure_logging


@pytest.fixture(autouse=True)
def logged() -> None:
    configure_logging(service="auth", process="api")
