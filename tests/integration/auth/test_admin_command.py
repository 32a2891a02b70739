"""`python -m auth_service.admin`, as an operator types it."""

import pytest

from auth_service.admin import parsed, work
from auth_service.commands import RefusedError
from common.postgres.context import Context
from tests.support.accounts import add_user
from tests.support.auth_app import AuthApp
from tests.support.cli import Answer, command
from tests.support.oauth import claims_of
from tests.support.waiting import eventually

ADA, PASSWORD = "ada@example.org", "correct horse battery"


@pytest.fixture
def admin(installation):
    async def admin(*arguments: str) -> Answer:
        return await command("auth_service.admin", *arguments, **installation.environment("auth", "worker"))

    return admin


@pytest.fixture
async def ada(auth_app: AuthApp, superuser):
    stored = await auth_app.resources.hashing.hash(PASSWORD)
    return await add_user(superuser, email=ADA, hashed_password=stored)


@pytest.fixture
def person(superuser):
    async def person(**state: object) -> None:
        user_id = await add_user(superuser, email=ADA)
        for name, value in state.items():
            await superuser.execute(f"update auth.users set {name} = $2 where id = $1", user_id, value)

    return person


class TestAnAdministrator:
    async def test_is_made_by_address_and_is_one_from_the_next_sign_in_on(
        self, auth_app, admin, ada, superuser
    ):
        before = await auth_app.log_in(ADA, PASSWORD)

        granted = await admin("grant", "ADA@Example.org")

        async def is_over() -> bool:
            async with auth_app.client(before["access_token"]) as client:
                return (await client.get("/me")).status_code == 401

        assert (granted.code, granted.errors) == (0, "")
        assert granted.output.startswith("ADA@example.org is an administrator; 1 sessions ended")
        await eventually(is_over)
        assert claims_of((await auth_app.log_in(ADA, PASSWORD))["access_token"])["roles"] == ["admin"]

    async def test_is_none_any_more_when_that_is_revoked(self, auth_app, admin, ada, superuser):
        await superuser.execute("update auth.users set role = 'admin'")
        await auth_app.log_in(ADA, PASSWORD)
        listed = await admin("list")

        revoked = await admin("revoke", ADA)

        assert (revoked.code, listed.output) == (0, f"{ADA}  {ada}\n")
        assert claims_of((await auth_app.log_in(ADA, PASSWORD))["access_token"])["roles"] == []
        rows = await superuser.fetch(
            "select actor, action, user_id, data ->> 'former' as former from auth.audit_log"
        )
        assert [tuple(row) for row in rows] == [("system:admin", "role.revoked", ada, "admin")]


class TestAChangeOfRoles:
    @pytest.mark.parametrize(
        ("state", "verb", "said"),
        [
            ({"email_norm": "eve@example.org"}, "grant", f"no account has the address {ADA}"),
            ({"is_verified": False}, "grant", f"{ADA} is not verified"),
            ({"is_active": False}, "grant", f"the account of {ADA} is closed"),
            ({"role": "admin"}, "grant", f"{ADA} is an administrator already"),
            ({}, "revoke", f"{ADA} is no administrator"),
        ],
    )
    async def test_that_makes_no_sense_is_refused_and_leaves_everything(
        self, databases, person, superuser, state, verb, said
    ):
        await person(**state)

        async with databases("auth", "worker").transaction(as_user=Context.SYSTEM) as tx:
            with pytest.raises(RefusedError, match=said):
                await work(tx, parsed([verb, ADA]))

        assert await superuser.fetchval("select count(*) from auth.audit_log") == 0

    async def test_that_is_refused_says_why_and_fails(self, admin, superuser):
        answer = await admin("grant", ADA)

        assert (answer.code, answer.output) == (1, "")
        assert answer.errors == f"no account has the address {ADA}\n"

    @pytest.mark.parametrize("arguments", [(), ("grant",), ("grant", "ada"), ("promote", ADA)])
    def test_that_is_asked_for_in_a_wrong_way_is_explained(self, arguments, capsys):
        with pytest.raises(SystemExit) as refusal:
            parsed(arguments)

        assert refusal.value.code == 2
        assert "usage: python -m auth_service.admin" in capsys.readouterr().err
