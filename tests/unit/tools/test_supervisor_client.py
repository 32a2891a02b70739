import asyncio
import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from quartet_cli.supervisor.client import Supervised, SupervisorError
from quartet_cli.supervisor.protocol import SOCKET, Message, listen
from tests.support.repository import ROOT
from tests.support.waiting import eventually
from tests.unit.tools.tiny_parts import WAITS, notes

PARTS = "tests.unit.tools.tiny_parts:described"
STARTS = """
import signal
import sys
from pathlib import Path
from quartet_cli.supervisor.client import Supervised, SupervisorError
from quartet_cli.verbs.lifecycle import start_all
from quartet_cli.verbs.progress import Progress
# whoever runs the tests in the background has its children ignore Ctrl-C
signal.signal(signal.SIGINT, signal.default_int_handler)
here = Supervised(Path(sys.argv[1]))
try:
    with Progress() as progress:
        start_all(here, lambda: here.start(sys.argv[2], sys.argv[3]), progress)
except SupervisorError as error:
    print(error)
"""


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Supervised]:
    here = Supervised(tmp_path)
    yield here
    here.down()


def describe(here: Supervised, *parts: dict[str, object]) -> str:
    path = here.state / "parts.json"
    path.write_text(json.dumps(parts))
    return str(path)


def starter(here: Supervised, description: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", STARTS, str(here.state), PARTS, description],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


class TestSupervised:
    def test_shows_progress_and_can_be_asked_and_ended(self, here: Supervised):
        told: list[Message] = []

        assert here.start(PARTS, describe(here, {"name": "api"}))
        assert here.ask({"verb": "up"}, tell=told.append)["ok"]
        status = here.ask({"verb": "status", "memory": True})["parts"]
        assert here.down()

        assert [one["state"] for one in told if one["event"] == "part"] == ["waiting", "starting", "ready"]
        assert status[0]["name"] == "api"
        assert status[0]["rss_bytes"] > 0
        assert notes(here.state) == ["started api", "stopped api"]
        assert not here.is_running()

    def test_is_started_once(self, here: Supervised):
        description = describe(here, {"name": "api"})

        assert here.start(PARTS, description)

        assert not here.start(PARTS, description)

    def test_listens_where_only_its_owner_may_ask(self, here: Supervised):
        here.start(PARTS, describe(here, {"name": "api"}))

        assert (here.state / SOCKET).stat().st_mode & 0o777 == 0o600

    def test_may_live_in_a_folder_whose_name_is_longer_than_that_of_a_socket(self, tmp_path: Path):
        deep = Supervised(tmp_path / ("d" * 100) / ("e" * 100))
        deep.state.mkdir(parents=True)

        deep.start(PARTS, describe(deep, {"name": "api"}))

        assert deep.ask({"verb": "status"})["ok"]
        assert deep.down()

    def test_that_cannot_start_tells_why(self, here: Supervised):
        with pytest.raises(SupervisorError, match="FileNotFoundError"):
            here.start(PARTS, str(here.state / "nowhere.json"))

    def test_of_another_user_is_told_of(self, here: Supervised, monkeypatch: pytest.MonkeyPatch):
        def refused(*_: object, **__: object) -> None:
            raise PermissionError

        monkeypatch.setattr("quartet_cli.supervisor.client.connect", refused)

        with pytest.raises(SupervisorError, match="belongs to another user"):
            here.is_running()

    def test_that_does_not_run_is_told_of(self, here: Supervised):
        with pytest.raises(SupervisorError, match="nothing runs here"):
            here.ask({"verb": "status"})

    def test_refuses_what_it_does_not_know(self, here: Supervised):
        here.start(PARTS, describe(here, {"name": "api"}))

        assert here.ask({"verb": "dance"})["error"] == "unknown request 'dance'"

    def test_ends_its_parts_when_it_is_told_to_end(self, here: Supervised):
        here.start(PARTS, describe(here, {"name": "api"}))
        here.ask({"verb": "up"})
        part = psutil.Process(here.ask({"verb": "status"})["parts"][0]["pid"])
        supervisor = psutil.Process(json.loads((here.state / "supervisor.json").read_text())["pid"])

        supervisor.terminate()

        assert not psutil.wait_procs([part], timeout=5)[1]
        assert notes(here.state)[-1] == "stopped api"


class TestSilentSupervisor:
    @pytest.fixture
    def silent(self, tmp_path: Path) -> Iterator[Supervised]:
        """Accepts what is asked and never answers."""
        server = listen(tmp_path)
        server.listen()
        accepted: list[socket.socket] = []
        thread = threading.Thread(target=lambda: accepted.append(server.accept()[0]))
        thread.start()
        yield Supervised(tmp_path, silence_seconds=0.1)
        thread.join()
        for connection in (*accepted, server):
            connection.close()

    def test_is_not_waited_for(self, silent: Supervised):
        with pytest.raises(SupervisorError, match=r"said nothing for 0\.1 s"):
            silent.ask({"verb": "status"})


class TestInterruptedUp:
    async def test_stops_what_it_had_started_and_says_so(self, here: Supervised):
        description = describe(
            here, {"name": "database"}, {"name": "api", "code": WAITS, "needs": ["database"]}
        )
        process = starter(here, description)
        await eventually(lambda: notes(here.state) == ["started database"])

        process.send_signal(signal.SIGINT)

        output, _ = process.communicate(timeout=10)
        assert "interrupted; everything that was started is stopped again" in output
        assert not here.is_running()
        assert notes(here.state) == ["started database", "stopped database"]

    async def test_leaves_what_ran_before(self, here: Supervised):
        description = describe(here, {"name": "api", "code": WAITS})
        here.start(PARTS, description)
        process = starter(here, description)
        await eventually(lambda: here.ask({"verb": "status"})["parts"][0]["state"] == "starting")

        process.send_signal(signal.SIGINT)

        output, _ = process.communicate(timeout=10)
        assert "interrupted; what was running goes on" in output
        assert here.is_running()


class TestSecondUp:
    async def test_joins_the_first_and_sees_its_progress(self, here: Supervised):
        cure = here.state / "cure"
        waits_for_it = (
            f"import os\nwhile not os.path.exists({str(cure)!r}): pass\nopen(os.environ['READY'], 'w')"
        )
        here.start(PARTS, describe(here, {"name": "api", "code": f"{waits_for_it}\n{WAITS}"}))
        told: tuple[list[Message], list[Message]] = ([], [])
        asking = [asyncio.to_thread(here.ask, {"verb": "up"}, tell=one.append) for one in told]
        both = asyncio.gather(*asking)
        await eventually(lambda: all(any(one.get("state") == "starting" for one in heard) for heard in told))

        cure.touch()

        assert all(outcome["ok"] for outcome in await both)
        assert [heard[-1]["state"] for heard in told] == ["ready", "ready"]
