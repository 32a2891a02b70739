"""Bringing stacks up and down, for the verbs and for test runs alike."""

import fcntl
import shutil
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from quartet_cli.stack import CHECKOUT, Stack, open_stack, stack_file
from quartet_cli.stack.description import DEVELOPMENT, current_file
from quartet_cli.supervisor.client import Supervised, SupervisorError, failures
from quartet_cli.supervisor.code import code_fingerprint
from quartet_cli.supervisor.resident import parts_of
from quartet_cli.verbs.progress import Progress

WHOLE = "quartet_cli.supervisor.factories:whole"
SERVERS = "quartet_cli.supervisor.factories:servers"


class InterruptedUpError(SupervisorError):
    """Somebody pressed Ctrl-C; whatever should have come after must not."""


def supervised(name: str) -> Supervised:
    return Supervised(stack_file(name).parent)


def chosen() -> Stack:
    """The stack that is meant: the one that QUARTET_STACK names, else the development stack."""
    path = current_file()
    if path == stack_file(DEVELOPMENT) and not path.exists():
        raise SupervisorError("there is no stack yet: ./quartet up")
    return Stack.load(path)


def supervisor_of_chosen() -> Supervised:
    return Supervised(current_file().parent)


def refuse_any_but_development(verb: str) -> None:
    """Whoever works with another stack has asked for neither of the two to be started or ended."""
    path = current_file()
    if path.resolve() != stack_file(DEVELOPMENT).resolve():
        raise SupervisorError(
            f"QUARTET_STACK names {path}, and ./quartet {verb} is for the development stack alone: unset it"
        )


def bring_up(name: str, *, factory: str, progress: Progress) -> Stack:
    """All parts are ready when this returns; else an error that tells which are not, and why."""
    here = supervised(name)

    def begin() -> None:
        # A second command then attaches to what the first has begun.
        with alone(here.state / "up.lock", progress, "is preparing this stack"):
            open_stack(name, say=progress.say)
            _start_supervisor(here, factory, stack_file(name), progress)

    start_all(here, begin, progress)
    return Stack.load(stack_file(name))


def start_all(here: Supervised, begin: Callable[[], None], progress: Progress) -> None:
    """Ctrl-C takes down what this call has started; what ran before goes on running."""
    ran_before = here.is_running()
    try:
        begin()
        outcome = here.ask({"verb": "up"}, tell=progress.tell)
    except KeyboardInterrupt:
        if ran_before:
            raise InterruptedUpError("interrupted; what was running goes on (./quartet status)") from None
        progress.say("interrupted: stopping what was started")
        here.down(tell=progress.tell)
        raise InterruptedUpError("interrupted; everything that was started is stopped again") from None
    _raise_unless_ok(outcome, started_here=not ran_before, here=here, progress=progress)


def _raise_unless_ok(
    outcome: dict[str, object], *, started_here: bool, here: Supervised, progress: Progress
) -> None:
    if outcome["ok"]:
        return
    if outcome.get("error"):
        # Refused before anything was started: a supervisor without parts is of no use.
        if started_here:
            here.down(tell=progress.tell)
        raise SupervisorError(str(outcome["error"]))
    missing = ", ".join(failures(outcome))
    raise SupervisorError(f"not up: {missing}. More: ./quartet logs <part>; ./quartet up tries again")


def _start_supervisor(here: Supervised, factory: str, description: Path, progress: Progress) -> None:
    if here.start(factory, str(description), tell=progress.tell):
        return
    if here.ask({"verb": "status"}).get("code") == code_fingerprint(description):
        return
    # A description that cannot be read is found out while the old stack still runs.
    parts_of(factory, str(description))
    progress.say("the stack's description has changed: stopping, then starting anew")
    here.down(tell=progress.tell)
    here.start(factory, str(description))


@contextmanager
def alone(path: Path, progress: Progress, what: str) -> Generator[None]:
    """One command at a time; others wait and say for whom."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            progress.say(f"waiting: another ./quartet {what}")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def bring_down(name: str, *, progress: Progress, erase: bool = False) -> bool:
    """Nothing of it runs when this returns; False when nothing ran before."""
    here = supervised(name)
    ran = here.down(tell=progress.tell) if here.state.is_dir() else False
    if erase:
        _erase(name)
    return ran


def _erase(name: str) -> None:
    """Only folders that this project made: the stack's state and its folder below var/."""
    path = stack_file(name)
    folders = [path.parent]
    if path.exists():
        stack = Stack.load(path)
        if stack.checkout == CHECKOUT and stack.state.name == name:
            folders.append(stack.state)
    for folder in folders:
        if folder.exists():
            shutil.rmtree(folder)
