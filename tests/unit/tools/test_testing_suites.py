import io
import sys
import threading
from pathlib import Path

import pytest
from rich.console import Console

from quartet_cli.testing_suites import running
from quartet_cli.testing_suites.results import Result, last_line
from quartet_cli.testing_suites.run import in_lanes
from quartet_cli.testing_suites.running import Counts, Outcome, count, run_step, short
from quartet_cli.testing_suites.suites import Form, Step, all_suites, environment
from quartet_cli.verbs.progress import Progress

JUNIT = '<testsuites><testsuite tests="{tests}" failures="1" errors="1" skipped="2"/></testsuites>'


@pytest.fixture(autouse=True)
def reports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(running, "REPORTS", tmp_path)
    return tmp_path


@pytest.fixture
def said() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def progress(said: io.StringIO) -> Progress:
    return Progress(Console(file=said, width=200))


def python(code: str, results: Path | None = None) -> Step:
    return Step("one", (sys.executable, "-S", "-c", code), results)


def run(step: Step, progress: Progress, seconds: float = 60.0) -> Outcome:
    told = {"TOLD": "yes"}
    return run_step(step, environment=told, seconds=seconds, progress=progress, stop=threading.Event())


class TestStep:
    def test_passes_when_its_command_ends_well_and_keeps_its_output_to_itself(
        self, progress: Progress, said: io.StringIO, reports: Path
    ):
        outcome = run(python("import os; print('told', os.environ['TOLD'])"), progress)

        assert outcome.ok
        assert "told yes" not in said.getvalue()
        assert (reports / "one.log").read_text() == "told yes\n"

    def test_that_fails_shows_what_its_command_wrote(self, progress: Progress, said: io.StringIO):
        outcome = run(python("print('line 3: [wrong]'); raise SystemExit(4)"), progress)

        assert (outcome.ok, outcome.what) == (False, "ended with 4")
        assert "line 3: [wrong]" in said.getvalue()

    def test_that_hangs_is_killed(self, progress: Progress):
        outcome = run(python("import signal; signal.pause()"), progress, seconds=0.1)

        assert (outcome.ok, outcome.what) == (False, "was killed after 0.1 s")

    def test_that_runs_no_test_has_not_passed(self, progress: Progress, reports: Path):
        outcome = run(python("pass", results=reports / "none.xml"), progress)

        assert (outcome.ok, outcome.what) == (False, "ran no test")

    def test_whose_program_is_missing_fails(self, progress: Progress):
        outcome = run(Step("one", ("/nowhere/ruff",)), progress)

        assert not outcome.ok
        assert "cannot be run" in outcome.what

    def test_is_not_swayed_by_settings_of_a_shell(self, progress: Progress, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("QUARTET_STACK", "/somebody/elses/stack.json")
        monkeypatch.setenv("PYTEST_ADDOPTS", "-k nothing")
        monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
        unwanted = "{'QUARTET_STACK', 'PYTEST_ADDOPTS', 'PYTHONDONTWRITEBYTECODE'}"

        outcome = run(python(f"import os; assert not {unwanted} & set(os.environ)"), progress)

        assert outcome.ok


class TestCount:
    def test_takes_errors_outside_a_test_for_failures(self, tmp_path: Path):
        (tmp_path / "results.xml").write_text(JUNIT.format(tests=10))

        assert count(tmp_path / "results.xml") == Counts(passed=6, failed=2, skipped=2)

    def test_of_schedules_are_those_that_the_tests_tell(self, tmp_path: Path):
        told = '<testcase><properties><property name="schedules" value="5000"/></properties></testcase>'
        (tmp_path / "results.xml").write_text(f'<testsuite tests="2">{told}{told}</testsuite>')

        assert count(tmp_path / "results.xml") == Counts(passed=2, schedules=10_000)

    def test_of_a_file_that_is_not_whole_is_nothing(self, tmp_path: Path):
        (tmp_path / "results.xml").write_text("<testsuites><testsu")

        assert count(tmp_path / "results.xml") == Counts()


class TestLastLine:
    def test_leaves_out_numbers_of_nothing(self):
        passed = Outcome("unit", ok=True, seconds=1, counts=Counts(passed=7, skipped=1))

        told = last_line([Result("unit", [passed], 1.0)], 12.34)

        assert told == "7 passed, 1 skipped in 12.3 s"

    def test_of_checks_alone_counts_nothing(self):
        wrong = Outcome("ruff", ok=False, seconds=1, counts=Counts(), what="ended with 1")

        assert last_line([Result("lint", [wrong], 1.0)], 2.0) == "not passed: lint in 2.0 s"

    def test_names_a_suite_that_had_no_stack(self):
        assert last_line([Result("e2e", (), 1.0, error="no stack")], 2.0) == "not passed: e2e in 2.0 s"


class TestShort:
    def test_tells_how_far_pytest_is(self):
        assert short("........................  [ 45%]") == "running, 45%"


class TestSuites:
    def test_that_touch_servers_have_stacks_apart_from_the_one_of_up(self):
        stacks = {suite.name: suite.stack for suite in all_suites(Form())}

        assert stacks == {
            "lint": None,
            "unit": None,
            "contracts": None,
            "simulation": None,
            "integration": "test",
            "migrations": "test",
            "e2e": "whole",
            "faults": "whole",
        }

    def test_on_a_whole_stack_run_beside_the_others(self):
        lanes = [[suite.name for suite in lane] for lane in in_lanes(all_suites(Form()))]

        assert lanes == [
            ["lint", "unit", "contracts", "simulation", "integration", "migrations"],
            ["e2e", "faults"],
        ]

    def test_that_are_alone_have_no_empty_lane_beside_them(self):
        assert [len(lane) for lane in in_lanes(all_suites(Form())[:2])] == [2]

    def test_are_told_of_the_long_form(self):
        told = environment(Path("/stack.json"), Form(long=True, seed=7, minutes=1.5))

        assert told["QUARTET_STACK"] == "/stack.json"
        assert (told["QUARTET_TEST_LONG"], told["QUARTET_TEST_SEED"], told["QUARTET_TEST_MINUTES"]) == (
            "1",
            "7",
            "1.5",
        )

    def test_without_a_stack_are_told_of_none(self):
        assert "QUARTET_STACK" not in environment(None, Form())
