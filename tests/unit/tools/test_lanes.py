"""Suites side by side: what one of them does to the others, and how all of them are ended."""

import asyncio
import signal
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from quartet_cli.stack.errors import StackError
from quartet_cli.testing_suites import running
from quartet_cli.testing_suites.run import Lane, run_suites
from quartet_cli.testing_suites.running import StoppedError, run_step
from quartet_cli.testing_suites.suites import Form, Step, Suite
from quartet_cli.verbs.progress import Progress
from tests.support.waiting import eventually

RUN = """
import signal, sys
from pathlib import Path
from quartet_cli.testing_suites import running
from quartet_cli.testing_suites.run import run_suites
from quartet_cli.testing_suites.suites import Form, Step, Suite

# whoever was started in the background of a shell would take no notice of Ctrl-C
signal.signal(signal.SIGINT, signal.default_int_handler)
running.REPORTS = Path(sys.argv[1])
running.KILL_SECONDS = 0.2
run_suites([Suite("one", (Step("one", (sys.executable, "-S", "-c", sys.argv[2])),))], Form())
"""
# takes no notice of a polite request
DEAF = "import signal; signal.signal(15, signal.SIG_IGN); print('here', flush=True); signal.pause()"


@pytest.fixture(autouse=True)
def reports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(running, "REPORTS", tmp_path)
    return tmp_path


def suite(name: str, code: str) -> Suite:
    return Suite(name, (Step(name, (sys.executable, "-S", "-c", code)),))


class TestSuite:
    def test_that_fails_keeps_no_other_from_being_run_and_told(self, capsys: pytest.CaptureFixture[str]):
        passed = run_suites([suite("one", "raise SystemExit(3)"), suite("two", "pass")], Form())

        told = capsys.readouterr().out
        assert not passed
        assert "one: one ended with 3" in told
        assert "not passed: one in" in told

    def test_without_its_stack_is_told_as_not_run(self):
        class NoStacks:
            @contextmanager
            def on(self, name: str) -> Generator[None]:
                if name:
                    raise StackError("no port is free")
                yield

        with Progress() as progress:
            stop = threading.Event()
            suites = [Suite("e2e", (), stack="whole"), suite("unit", "pass")]
            lane = Lane(suites, Form(), stacks=NoStacks(), progress=progress, stop=stop)
            lane.run()

        assert {result.suite: result.ok for result in lane.results} == {"e2e": False, "unit": True}


class TestStep:
    def test_that_is_told_to_stop_leaves_nothing_behind(self):
        before = set(psutil.Process().children())
        stop = threading.Event()
        stop.set()
        step = Step("one", (sys.executable, "-S", "-c", "import signal; signal.pause()"))

        with Progress() as progress, pytest.raises(StoppedError):
            run_step(step, environment={}, seconds=60, progress=progress, stop=stop)

        assert set(psutil.Process().children()) <= before


class TestRun:
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "a pipeline's end"])
    async def test_that_is_interrupted_ends_all_that_it_has_started(
        self, number: signal.Signals, tmp_path: Path
    ):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", RUN, str(tmp_path), DEAF), stderr=asyncio.subprocess.PIPE
        )
        log = tmp_path / "one.log"
        await eventually(lambda: log.exists() and log.read_text() == "here\n", within=30)
        started = psutil.Process(process.pid).children(recursive=True)

        process.send_signal(number)
        async with asyncio.timeout(60):
            _, errors = await process.communicate()

        assert b"interrupted" in errors
        assert [one for one in started if one.is_running()] == []
        assert process.returncode == 1
