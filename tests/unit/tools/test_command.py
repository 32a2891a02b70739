import json
import signal
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner, Result

from quartet_cli.main import app
from quartet_cli.stack import stack_file
from quartet_cli.stack.errors import StackError
from quartet_cli.supervisor.client import SupervisorError
from quartet_cli.verbs.lifecycle import refuse_any_but_development
from quartet_cli.verbs.seeding import address

VERBS = (
    "up",
    "down",
    "restart",
    "status",
    "logs",
    "seed",
    "mail",
    "test",
    "bench",
    "env",
    "topics",
    "dlq",
    "jobs",
    "keys",
    "doctor",
    "lock",
)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments, env={"COLUMNS": "200", "TERM": "dumb"})


class TestCommand:
    def test_without_arguments_lists_its_verbs(self):
        told = run()

        assert told.exit_code == 0
        assert [verb for verb in VERBS if f" {verb} " not in told.output] == []

    @pytest.mark.parametrize(
        "wrong",
        [
            ("dance",),
            ("up", "--quickly"),
            ("test", "everything"),
            ("env", "billing"),
            ("env", "auth", "cron"),
            ("dlq", "drop"),
            ("dlq", "drop", "7"),
            ("dlq", "show", "7"),
            ("dlq", "replay", "--service", "billing"),
            ("jobs", "show", "7"),
            ("jobs", "retry"),
            ("jobs", "list", "--state", "tired"),
            ("keys", "rotate", "--quickly"),
            ("mail", "-n", "0"),
            ("mail", "--token-of", "birthday"),
            ("seed", "--users", "0"),
        ],
    )
    def test_asked_wrongly_ends_with_2(self, wrong: tuple[str, ...], monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr("quartet_cli.verbs.environment.chosen", lambda: None)

        assert run(*wrong).exit_code == 2

    def test_names_the_parts_that_have_a_log_when_asked_for_another(self, monkeypatch, tmp_path: Path):
        (tmp_path / "chat-api.log").touch()
        monkeypatch.setattr("quartet_cli.verbs.stack.chosen", lambda: SimpleNamespace(logs=tmp_path))

        told = run("logs", "billing")

        assert told.exit_code == 2
        assert "no part 'billing'; there are: chat-api" in told.output

    def test_names_the_parts_that_run_when_told_to_restart_another(self, monkeypatch):
        monkeypatch.setattr("quartet_cli.verbs.stack._parts", lambda _: [{"name": "chat-api"}])

        told = run("restart", "billing")

        assert told.exit_code == 2
        assert "no part 'billing'; there are: chat-api" in told.output

    def test_interrupted_before_a_verb_has_begun_ends_without_a_word(self):
        """As a terminal starts it: whoever runs tests in the background has its children ignore Ctrl-C."""
        code = "import os, signal, runpy, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
        code += "sys.addaudithook(lambda event, of: event == 'import' and of[0] == 'typer' and "
        code += "os.kill(os.getpid(), signal.SIGINT)); runpy.run_module('quartet_cli', run_name='__main__')"

        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

        assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")

    def test_shows_every_topic(self):
        assert "auth.user.v1" in run("topics").output


class TestStatus:
    def test_of_what_a_killed_supervisor_left_has_every_field_for_programs(self, monkeypatch, tmp_path: Path):
        monkeypatch.setenv("QUARTET_STACK", str(tmp_path / "stack.json"))
        monkeypatch.setattr("quartet_cli.supervisor.client.Supervised.left_over", lambda _: ["redis"])

        told = run("status", "--json")

        (part,) = json.loads(told.output)["parts"]
        assert told.exit_code == 1
        assert {"name", "state", "pid", "url", "probe_url", "rss_bytes"} <= part.keys()
        assert (part["name"], part["state"], part["pid"]) == ("redis", "left over", None)


class TestSeededUsers:
    def test_are_not_removed_where_no_database_answers_and_that_is_told(self, monkeypatch):
        with socket.socket() as held:
            held.bind(("127.0.0.1", 0))
            url = f"postgresql://postgres:secret@127.0.0.1:{held.getsockname()[1]}/quartet"
            stack = SimpleNamespace(postgres_url=lambda *_: url, ca_file=None)
            monkeypatch.setattr("quartet_cli.verbs.seeding.chosen", lambda: stack)
            monkeypatch.setattr("quartet_cli.verbs.seeding.client_context", lambda _: None)

            error = run("seed", "--clear").exception

        assert isinstance(error, SupervisorError)
        assert "PostgreSQL does not answer" in str(error)

    def test_have_addresses_of_their_own(self):
        assert len({address(number) for number in range(1000)}) == 1000


class TestNamedStack:
    """QUARTET_STACK means the same to every verb."""

    @pytest.fixture
    def elsewhere(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
        path = tmp_path / "stack.json"
        monkeypatch.setenv("QUARTET_STACK", str(path))
        return path

    @pytest.mark.parametrize(
        "verb",
        [
            ("status",),
            ("logs",),
            ("env",),
            ("seed",),
            ("dlq", "list"),
            ("jobs", "list"),
            ("keys", "list"),
        ],
    )
    def test_is_the_one_that_is_looked_for(self, elsewhere: Path, verb: tuple[str, ...], monkeypatch):
        monkeypatch.setattr("quartet_cli.supervisor.client.Supervised.is_running", lambda _: True)

        error = run(*verb).exception

        assert isinstance(error, StackError)
        assert str(elsewhere) in str(error)

    @pytest.mark.parametrize("verb", ["bench", "restart"])
    def test_must_run_where_something_is_done_with_it(self, elsewhere: Path, verb: str, monkeypatch):
        asked = []
        monkeypatch.setattr("quartet_cli.supervisor.client.connect", lambda state, **_: asked.append(state))

        error = run(verb).exception

        assert isinstance(error, SupervisorError)
        assert set(asked) == {elsewhere.parent}

    @pytest.mark.parametrize("verb", ["up", "down"])
    def test_is_neither_brought_up_nor_taken_down(self, elsewhere: Path, verb: str):
        error = run(verb).exception

        assert isinstance(error, SupervisorError)
        assert "unset it" in str(error)

    def test_may_be_the_development_stack_itself(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("QUARTET_STACK", str(stack_file("dev")))

        refuse_any_but_development("down")
