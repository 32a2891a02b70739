"""`python -m auth_service.keys`, as an operator types it."""

import pytest

from auth_service.keys import parsed
from tests.support.cli import Answer, command


@pytest.fixture
def keys(installation, auth_app):
    """There is a key already: the fixture of the api made it, as a worker does."""

    async def keys(*arguments: str, **environment: str) -> Answer:
        told = installation.environment("auth", "worker") | environment
        return await command("auth_service.keys", *arguments, **told)

    return keys


class TestKeys:
    async def test_are_listed_with_their_state(self, keys, superuser):
        kid = await superuser.fetchval("select kid from auth.signing_keys")

        answer = await keys("list")

        assert (answer.code, answer.errors) == (0, "")
        assert answer.output.startswith(f"{kid}  active    since ")

    async def test_are_rotated_once_however_often_it_is_asked_for(self, keys, superuser):
        first, second = await keys("rotate"), await keys("rotate")

        states = await superuser.fetch("select kid, state from auth.signing_keys order by created_at")
        assert [row["state"] for row in states] == ["active", "pending"]
        assert (first.code, first.output) == (0, f"{states[1]['kid']}  pending\n")
        assert (second.code, second.output) == (0, "a rotation is under way already\n")

    async def test_that_may_be_stolen_are_replaced_at_once(self, keys, superuser, auth_app):
        stolen = await superuser.fetchval("select kid from auth.signing_keys")

        answer = await keys("replace")

        (public,) = await auth_app.resources.signing_keys.public()
        assert (answer.code, answer.output) == (0, f"{stolen}  retired\n{public['kid']}  active\n")
        assert public["kid"] != stolen

    async def test_stay_as_they_are_when_the_database_is_away(self, keys, free_port, installation):
        url = installation.environment("auth", "worker")["DATABASE_URL"]
        away = url.replace(f":{installation.stack.ports['pgbouncer']}/", f":{free_port}/")

        answer = await keys("replace", DATABASE_URL=away)

        assert (answer.code, answer.output) == (1, "")
        assert answer.errors.startswith("database.unavailable: ")

    @pytest.mark.parametrize("arguments", [(), ("remove",), ("list", "all")])
    def test_asked_for_in_a_wrong_way_are_explained(self, arguments, capsys):
        with pytest.raises(SystemExit) as refusal:
            parsed(arguments)

        assert refusal.value.code == 2
        assert "usage: python -m auth_service.keys" in capsys.readouterr().err
