import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from signal import SIGTERM

import psutil
import pytest

from quartet_cli.supervisor.client import Supervised
from quartet_cli.supervisor.processes import Identity
from quartet_cli.supervisor.records import Record, Records, end_left_over, left_over
from quartet_cli.supervisor.resident import IDENTITY
from tests.support.repository import ROOT
from tests.support.waiting import eventually
from tests.unit.tools.tiny_parts import WAITS, notes

PARTS = "tests.unit.tools.tiny_parts:described"


@pytest.fixture
def stranger() -> Iterator[psutil.Process]:
    process = subprocess.Popen([sys.executable, "-S", "-c", WAITS])
    yield psutil.Process(process.pid)
    process.kill()
    process.wait()


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Supervised]:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    (tmp_path / "parts.json").write_text(
        json.dumps([{"name": "database"}, {"name": "api", "needs": ["database"]}])
    )
    here = Supervised(tmp_path)
    yield here
    here.down()


def start(here: Supervised) -> dict[str, psutil.Process]:
    here.start(PARTS, str(here.state / "parts.json"))
    assert here.ask({"verb": "up"})["ok"]
    parts = here.ask({"verb": "status"})["parts"]
    return {part["name"]: psutil.Process(part["pid"]) for part in parts}


def kill_supervisor(here: Supervised) -> None:
    pid = json.loads((here.state / IDENTITY).read_text())["pid"]
    os.kill(pid, signal.SIGKILL)
    psutil.wait_procs([psutil.Process(pid)] if psutil.pid_exists(pid) else [], timeout=5)


def has_ended(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


class TestKilledSupervisor:
    async def test_leaves_parts_that_the_next_one_ends_before_it_starts_its_own(self, here: Supervised):
        before = start(here)
        kill_supervisor(here)
        await eventually(lambda: not here.is_running())
        assert here.left_over() == ["database", "api"]

        after = start(here)

        assert all(has_ended(process) for process in before.values())
        assert after["database"].pid != before["database"].pid

    async def test_leaves_parts_that_down_ends(self, here: Supervised):
        before = start(here)
        kill_supervisor(here)

        assert here.down()

        assert all(has_ended(process) for process in before.values())
        assert notes(here.state)[-2:] == ["stopped api", "stopped database"]
        assert not here.down()


class TestLeftOver:
    def test_is_a_process_by_pid_start_time_and_program(self, tmp_path: Path, stranger: psutil.Process):
        identity = Identity.of(stranger.pid)
        assert identity is not None
        records = Records(tmp_path)

        records.put(Record("api", identity, SIGTERM, 5.0))

        assert [record.name for record in left_over(tmp_path)] == ["api"]

    @pytest.mark.parametrize(
        "changed", [{"started": 1}, {"boot": "another"}, {"program": "/usr/lib/postgresql/15/bin/postgres"}]
    )
    def test_is_never_one_that_only_has_the_same_pid(
        self, tmp_path: Path, stranger: psutil.Process, changed: dict[str, str]
    ):
        identity = Identity.of(stranger.pid)
        assert identity is not None
        Records(tmp_path).put(Record("api", replace(identity, **changed), SIGTERM, 5.0))

        assert end_left_over(tmp_path) == []

        assert not has_ended(stranger)

    def test_is_never_a_dead_one_that_nobody_has_reaped(self):
        process = subprocess.Popen([sys.executable, "-S", "-c", WAITS])
        identity = Identity.of(process.pid)
        assert identity is not None

        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)

        assert not identity.is_alive()
        process.wait()

    def test_that_ignores_its_signal_is_killed(self, tmp_path: Path):
        deaf = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); {WAITS}"
        process = subprocess.Popen([sys.executable, "-S", "-c", deaf], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        identity = Identity.of(process.pid)
        assert identity is not None
        Records(tmp_path).put(Record("api", identity, SIGTERM, 0.1))

        end_left_over(tmp_path)

        assert process.wait() == -signal.SIGKILL
        process.stdout.close()

    def test_of_a_damaged_record_is_nothing(self, tmp_path: Path):
        (tmp_path / "processes.json").write_text('[{"name": "ap')

        assert left_over(tmp_path) == []
