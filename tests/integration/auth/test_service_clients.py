from typing import Any

import pytest

from auth_service.commands import RefusedError, run
from auth_service.domain.service_clients import secret_hash
from auth_service.service_clients import parsed, work
from auth_service.settings import AuthWorkerSettings
from common.settings_errors import load


@pytest.fixture
def settings(installation, superuser) -> AuthWorkerSettings:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in installation.environment("auth", "worker").items():
            patch.setenv(name, value)
        return load(AuthWorkerSettings)


@pytest.fixture
def command(settings):
    async def command(*arguments: str) -> list[str]:
        return await run("clients", lambda tx, _: work(tx, parsed(arguments)), settings)

    return command


ADD_CHAT = ("add", "chat", "--audience", "auth", "--audience", "calendar", "--scope", "events:read")


def secret_of(lines: list[str]) -> str:
    return lines[1].split()[-1]


class TestServiceClients:
    async def test_are_made_with_a_secret_of_which_a_hash_is_stored(self, command, superuser):
        secret = secret_of(await command(*ADD_CHAT))

        row = await superuser.fetchrow("select * from auth.service_clients")
        assert row["secret_hash"] == secret_hash(secret)
        assert secret.removeprefix("qcs1_") not in str(dict(row))
        assert len(secret) == len("qcs1_") + 43

    async def test_are_listed_without_it(self, command):
        secret = secret_of(await command(*ADD_CHAT))

        (line,) = await command("list")

        assert line.startswith("chat  active    for auth, calendar  scope events:read  since ")
        assert secret not in line

    async def test_have_each_a_secret_of_their_own(self, command):
        first = secret_of(await command(*ADD_CHAT))
        second = secret_of(await command("add", "chat-2", "--audience", "auth"))

        assert first != second

    async def test_are_not_made_twice(self, command):
        await command(*ADD_CHAT)

        with pytest.raises(RefusedError, match="there is a client chat"):
            await command(*ADD_CHAT)

    async def test_are_disabled_once(self, command):
        await command(*ADD_CHAT)
        await command("disable", "chat")

        assert "disabled" in (await command("list"))[0]
        with pytest.raises(RefusedError, match="no active client chat"):
            await command("disable", "chat")

    async def test_and_what_happens_to_them_are_written_down(self, command, superuser):
        await command(*ADD_CHAT)
        await command("disable", "chat")

        rows: list[Any] = await superuser.fetch(
            "select action, user_id, data from auth.audit_log order by id"
        )
        assert [row["action"] for row in rows] == ["service_client.added", "service_client.disabled"]
        assert all("qcs1_" not in str(dict(row)) for row in rows)

    @pytest.mark.parametrize(
        "arguments",
        [
            ("add", "chat"),
            ("add", "Chat", "--audience", "auth"),
            ("add", "chat\x00", "--audience", "auth"),
            ("add", "chat", "--audience", "quartet"),
            ("add", "chat", "--audience", "auth", "--scope", "two words"),
            ("disable", ""),
            (),
        ],
    )
    def test_of_another_shape_are_refused(self, arguments, capsys):
        with pytest.raises(SystemExit) as refusal:
            parsed(arguments)

        assert refusal.value.code == 2
        assert "usage" in capsys.readouterr().err
