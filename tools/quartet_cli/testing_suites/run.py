"""Runs suites in two lanes side by side, each on the stack that it needs, and sums up."""

import signal
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from itertools import groupby

from quartet_cli.stack.errors import StackError
from quartet_cli.supervisor.client import SupervisorError
from quartet_cli.testing_suites.results import Result, sum_up
from quartet_cli.testing_suites.running import StoppedError, run_step
from quartet_cli.testing_suites.stacks import Stacks
from quartet_cli.testing_suites.suites import Form, Suite, environment
from quartet_cli.verbs.lifecycle import InterruptedUpError
from quartet_cli.verbs.progress import Progress

LOOK_SECONDS = 0.2
END_SECONDS = 90.0


class Lane(threading.Thread):
    """Suites one after another; one that fails keeps none of the others from being run."""

    def __init__(
        self,
        suites: Sequence[Suite],
        form: Form,
        *,
        stacks: Stacks,
        progress: Progress,
        stop: threading.Event,
    ) -> None:
        # daemon: what cannot be stopped, as an installation of packages, must not hold up the end
        super().__init__(daemon=True)
        self.results: list[Result] = []
        # a join that Ctrl-C interrupts takes a running thread for one that has ended (Python 3.11)
        self.ended = threading.Event()
        self._suites = suites
        self._form = form
        self._stacks = stacks
        self._progress = progress
        self._stop_asked = stop

    def run(self) -> None:
        try:
            for _, group in groupby(self._suites, key=lambda suite: suite.stack):
                self._run_group(list(group))
        except StoppedError:
            return
        finally:
            self._tell_what_never_ran()
            self.ended.set()

    def _run_group(self, suites: Sequence[Suite]) -> None:
        """All of one group use the same stack."""
        stack = suites[0].stack
        try:
            with self._stacks.on(stack) as description:
                told = environment(description, self._form)
                for suite in suites:
                    self._run_suite(suite, told)
        except (SupervisorError, StackError) as error:
            self._progress.say(f"the {stack} stack is not up: {error}")

    def _run_suite(self, suite: Suite, told: dict[str, str]) -> None:
        began = time.monotonic()
        outcomes = [
            run_step(
                step,
                environment=told,
                seconds=suite.seconds,
                progress=self._progress,
                stop=self._stop_asked,
            )
            for step in suite.steps
        ]
        self.results.append(Result(suite.name, outcomes, time.monotonic() - began))

    def _tell_what_never_ran(self) -> None:
        ran = {result.suite for result in self.results}
        left = [suite for suite in self._suites if suite.name not in ran]
        self.results += [Result(suite.name, (), 0.0, error="was not run") for suite in left]


def run_suites(suites: Sequence[Suite], form: Form) -> bool:
    """True when all passed; every stack that was started for them is stopped again, whatever happens."""
    began = time.monotonic()
    stop = threading.Event()
    with Progress() as progress, _ended_as_interrupted():
        stacks = Stacks(progress, stop)
        lanes = [Lane(lane, form, stacks=stacks, progress=progress, stop=stop) for lane in in_lanes(suites)]
        try:
            with stacks.held({suite.stack for suite in suites if suite.stack}):
                _run_all(lanes)
        except KeyboardInterrupt:
            progress.say("interrupted: stopping what was started")
            stop.set()
            _wait_for_ends(lanes, stacks)
            raise InterruptedUpError("interrupted; every stack of these tests is stopped again") from None
    found = {result.suite: result for lane in lanes for result in lane.results}
    results = [found[suite.name] for suite in suites]
    sum_up(results, time.monotonic() - began)
    return all(result.ok for result in results)


def in_lanes(suites: Sequence[Suite]) -> list[list[Suite]]:
    """Tests on whole stacks wait more than they compute: they run beside the others, which do both."""
    lanes = [[suite for suite in suites if suite.beside == beside] for beside in (False, True)]
    return [lane for lane in lanes if lane]


def _run_all(lanes: Sequence[Lane]) -> None:
    for lane in lanes:
        lane.start()
    for lane in lanes:
        lane.ended.wait()


def _wait_for_ends(lanes: Sequence[Lane], stacks: Stacks) -> None:
    until = time.monotonic() + END_SECONDS
    under_way = [lane for lane in lanes if lane.ident]
    while under_way and time.monotonic() < until:
        stacks.give_up()
        under_way[0].ended.wait(LOOK_SECONDS)
        under_way = [lane for lane in under_way if not lane.ended.is_set()]


@contextmanager
def _ended_as_interrupted() -> Generator[None]:
    """Pipelines end with SIGTERM what a person ends with Ctrl-C; neither may leave a stack behind."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
