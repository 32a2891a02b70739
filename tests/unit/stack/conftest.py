from pathlib import Path

import pytest

from quartet_cli.stack import CHECKOUT, Stack
from quartet_cli.stack.creation import TEST_WORKERS, new_passwords
from quartet_cli.stack.description import port_layout


def describe(state: Path, *, name: str, workers: tuple[str, ...] = ()) -> Stack:
    return Stack(
        name=name,
        checkout=CHECKOUT,
        state=state,
        ports=port_layout(20_000),
        passwords=new_passwords(),
        server_user=None,
        durable=not workers,
        workers=workers,
    )


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    return describe(tmp_path, name="dev")


@pytest.fixture
def test_stack(tmp_path: Path) -> Stack:
    return describe(tmp_path, name="test", workers=TEST_WORKERS)
