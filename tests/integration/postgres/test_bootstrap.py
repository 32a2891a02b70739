import asyncpg
import pytest

from common.postgres.bootstrap import database_sql, passwords_sql, scram_verifier
from common.postgres.context import Context
from common.postgres.timeouts import IDLE_IN_TRANSACTION_SECONDS, STATEMENT_SECONDS


class TestBootstrapFile:
    async def test_may_be_run_again(self, superuser, installation):
        grants = "select nspname, nspacl::text, pg_get_userbyid(nspowner) from pg_namespace order by 1"
        before = await superuser.fetch(grants)

        await superuser.execute(database_sql(installation.worker))

        assert await superuser.fetch(grants) == before

    async def test_keeps_others_out_of_the_database(self, superuser, installation):
        await superuser.execute(database_sql(installation.worker))

        assert not await superuser.fetchval(
            "select has_database_privilege('public', current_database(), 'temp')"
        )
        assert not await superuser.fetchval(
            "select has_database_privilege('auth_api', current_database(), 'temp')"
        )
        assert await superuser.fetchval(
            "select has_database_privilege('auth_api', current_database(), 'connect')"
        )

    @pytest.mark.parametrize("kind", ["api", "worker"])
    async def test_sets_the_limits_of_each_login(self, databases, superuser, kind):
        async with databases("auth", kind).read_transaction(as_user=Context.SHARED) as connection:
            row = await connection.fetchrow(
                """
                SELECT current_setting('statement_timeout')::interval AS statement,
                    current_setting('jit') AS jit,
                    current_setting('idle_in_transaction_session_timeout')::interval AS idle,
                    current_setting('search_path') AS path, session_user AS login
                """
            )

        assert row["statement"].total_seconds() == STATEMENT_SECONDS
        assert row["idle"].total_seconds() == IDLE_IN_TRANSACTION_SECONDS
        assert (row["jit"], row["path"], row["login"]) == ("off", "auth", f"auth_{kind}")


class TestPoolersLookUp:
    @pytest.mark.parametrize(
        ("login", "known"),
        [("auth_api", 1), ("chat_worker", 1), ("auth_owner", 0), ("postgres", 0), ("pgb_auth", 0)],
    )
    async def test_answers_for_the_logins_of_processes_only(self, superuser, login, known):
        rows = await superuser.fetch("select * from pgb.get_auth($1)", login)

        assert len(rows) == known

    async def test_is_for_the_pooler_alone(self, superuser):
        for role in ("auth_api", "auth_owner", "auth_system"):
            assert not await superuser.fetchval(
                "select has_function_privilege($1, 'pgb.get_auth(text)', 'execute')", role
            )
        assert await superuser.fetchval("select has_schema_privilege('pgb_auth', 'pgb', 'usage')")


class TestScramVerifier:
    async def test_is_what_the_server_lets_in_by(self, superuser, installation):
        role = f"scram_{installation.worker}"
        await superuser.execute(f"create role {role} login")
        try:
            await superuser.execute(passwords_sql({role: scram_verifier("open sesame")}))
            url = installation.superuser_url("postgres").partition("@")[2]

            connection = await asyncpg.connect(f"postgresql://{role}:open%20sesame@{url}")
            await connection.close()
            with pytest.raises(asyncpg.InvalidPasswordError):
                await asyncpg.connect(f"postgresql://{role}:open@{url}")
        finally:
            await superuser.execute(f"drop role {role}")
