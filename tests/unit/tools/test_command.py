from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner, Result

from quartet_cli.main import app
from quartet_cli.verbs.seeding import address

VERBS = (
    "up",
    "down",
    "restart",
    "status",
    "logs",
    "seed",
    "test",
    "bench",
    "env",
    "topics",
    "dlq",
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
            ("seed", "--users", "0"),
        ],
    )
    def test_asked_wrongly_ends_with_2(self, wrong: tuple[str, ...], monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr("quartet_cli.verbs.environment.load", lambda _: None)

        assert run(*wrong).exit_code == 2

    def test_names_the_parts_that_have_a_log_when_asked_for_another(self, monkeypatch, tmp_path: Path):
        (tmp_path / "chat-api.log").touch()
        monkeypatch.setattr("quartet_cli.verbs.stack.load", lambda _: SimpleNamespace(logs=tmp_path))

        told = run("logs", "billing")

        assert told.exit_code == 2
        assert "no part 'billing'; there are: chat-api" in told.output

    def test_names_the_parts_that_run_when_told_to_restart_another(self, monkeypatch):
        monkeypatch.setattr("quartet_cli.verbs.stack._parts", lambda _: [{"name": "chat-api"}])

        told = run("restart", "billing")

        assert told.exit_code == 2
        assert "no part 'billing'; there are: chat-api" in told.output

    def test_shows_every_topic(self):
        assert "auth.user.v1" in run("topics").output


class TestSeededUsers:
    def test_have_addresses_of_their_own(self):
        assert len({address(number) for number in range(1000)}) == 1000
