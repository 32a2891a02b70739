"""The servers that integration tests run against, without any process of the services.

    python -m quartet_cli.testing up | down | erase | status

`up` returns when every server answers; what runs already is left alone, whoever else uses it.
"""

import sys

from quartet_cli.stack import Stack, stack_file
from quartet_cli.stack.errors import StackError
from quartet_cli.supervisor.client import SupervisorError, failures
from quartet_cli.verbs.lifecycle import SERVERS, bring_down, bring_up, supervised
from quartet_cli.verbs.progress import Progress

NAME = "test"


def up() -> Stack:
    """Never replaces a running supervisor by newer code: another run may be in the middle of its tests."""
    here = supervised(NAME)
    with Progress() as progress:
        if not here.is_running():
            return bring_up(NAME, factory=SERVERS, progress=progress)
        outcome = here.ask({"verb": "up"}, tell=progress.tell)
    if not outcome["ok"]:
        raise SupervisorError(str(outcome.get("error") or f"not up: {', '.join(failures(outcome))}"))
    return Stack.load(stack_file(NAME))


def is_up() -> bool:
    here = supervised(NAME)
    if not here.is_running():
        return False
    return all(part["state"] in {"ready", "done"} for part in here.ask({"verb": "status"})["parts"])


def down(*, erase: bool = False) -> None:
    with Progress() as progress:
        bring_down(NAME, progress=progress, erase=erase)


def main(arguments: list[str]) -> int:
    try:
        match arguments:
            case ["up"]:
                up()
                print(f"export QUARTET_STACK={stack_file(NAME)}")
            case ["down"]:
                down()
            case ["erase"]:
                down(erase=True)
            case ["status"]:
                print("up" if is_up() else "down")
            case _:
                print(__doc__, file=sys.stderr)
                return 2
    except (SupervisorError, StackError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
