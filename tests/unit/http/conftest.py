from pathlib import Path

import pytest

from common.telemetry.logging import configure_logging
from tests.support.authority import Authority


@pytest.fixture(autouse=True)
def logged() -> None:
    """As in a process: without it the console's traceback of every bug takes seconds to draw."""
    configure_logging(service="test", process="api")


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(Path(tmp_path_factory.mktemp("authority")))
