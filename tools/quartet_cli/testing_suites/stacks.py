"""The stacks that suites run on: started when the first suite needs one, stopped after the last."""

import threading
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from quartet_cli import testing
from quartet_cli.stack import stack_file
from quartet_cli.testing_suites.suites import REPORTS, StackName
from quartet_cli.verbs.lifecycle import WHOLE, alone, bring_down, bring_up, supervised
from quartet_cli.verbs.progress import Progress


class Stacks:
    """Of one run, whose lanes may ask for theirs at the same time."""

    def __init__(self, progress: Progress, stop: threading.Event) -> None:
        self._progress = progress
        self._stop = stop
        # two that start at once would install the same packages and fetch the same jars
        self._start = threading.Lock()
        self._coming_up: set[StackName] = set()

    @contextmanager
    def held(self, names: set[StackName]) -> Generator[None]:
        """No other run uses these stacks for as long as this lasts."""
        with ExitStack() as locks:
            for name in sorted(names):
                what = f"tests on the {name} stack"
                locks.enter_context(alone(REPORTS / f"{name}.lock", self._progress, what))
            yield

    @contextmanager
    def on(self, name: StackName | None) -> Generator[Path | None]:
        """Gives the description of a stack whose parts are all ready."""
        if name is None:
            yield None
        elif name == testing.NAME and testing.is_up():
            # somebody has started it by hand, and it stays up
            yield stack_file(name)
        else:
            try:
                self._bring_up(name)
                yield stack_file(name)
            finally:
                bring_down(name, progress=self._progress)

    def give_up(self) -> None:
        """Ends those that are still on their way up, so that nobody waits for them any longer."""
        for name in sorted(self._coming_up):
            supervised(name).down()

    def _bring_up(self, name: StackName) -> None:
        with self._start:
            if self._stop.is_set():
                return
            self._coming_up.add(name)
            try:
                if name == testing.NAME:
                    self._progress.say("starting servers for tests")
                    bring_up(name, factory=testing.SERVERS, progress=self._progress)
                else:
                    # what an earlier run left behind must not decide what this one finds
                    bring_down(name, progress=self._progress, erase=True)
                    self._progress.say("starting a whole stack for tests")
                    bring_up(name, factory=WHOLE, progress=self._progress)
            finally:
                self._coming_up.discard(name)
