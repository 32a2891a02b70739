"""lock: pin what is installed."""

from typing import Annotated

import typer

from quartet_cli.lock import relock
from quartet_cli.stack import CHECKOUT
from quartet_cli.verbs.progress import Progress


def lock(
    upgrade: Annotated[bool, typer.Option("--upgrade", help="Take the newest versions that fit.")] = False,
) -> None:
    """Pin the requirements anew, with hashes; the next command installs them."""
    with Progress() as progress:
        relock(CHECKOUT, upgrade=upgrade, say=progress.say)
        progress.say("requirements/lock.txt and bootstrap.txt are written")
