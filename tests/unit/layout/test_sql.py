import pytest

from tests.support.repository import files, name_of
from tests.support.session_state import session_state, texts_of

ALLOWED = {
    # the owner's own direct connection, which no pooler hands on
    "libs/common/src/common/postgres/migrations.py",
    # run by the superuser on a direct connection
    "libs/common/src/common/postgres/bootstrap.py",
}

OURS = ("libs/", "services/", "tools/", "deploy/")


def statements():
    for path in files(".py", ".sql"):
        name = name_of(path)
        if not name.startswith(OURS) or name in ALLOWED:
            continue
        if path.suffix == ".sql":
            yield name, 1, path.read_text()
        else:
            yield from ((name, line, text) for line, text in texts_of(path.read_text()))


class TestSqlOfTheRepository:
    def test_leaves_nothing_behind_on_a_pooled_connection(self):
        found = [
            f"{name}:{line}: {fault}" for name, line, text in statements() for fault in session_state(text)
        ]

        assert found == []


class TestSessionState:
    @pytest.mark.parametrize(
        "sql",
        [
            "SET search_path = auth",
            "set session statement_timeout to 5",
            "BEGIN; SET ROLE auth_user",
            "SELECT pg_advisory_lock(1)",
            "select pg_try_advisory_lock_shared(1, 2)",
            "SELECT set_config('app.user_id', $1, false)",
            "LISTEN outbox",
            "NOTIFY outbox, 'row'",
            "select pg_notify('outbox', '')",
            "CREATE TEMP TABLE batch (id uuid)",
            "create temporary table batch on commit delete rows as select 1",
            "PREPARE find AS SELECT 1",
            "DECLARE c CURSOR WITH HOLD FOR SELECT 1",
        ],
    )
    def test_is_found(self, sql):
        assert session_state(sql)

    @pytest.mark.parametrize(
        "sql",
        [
            "UPDATE users SET email = $1",
            "UPDATE users\nSET email = $1",
            "BEGIN; SET LOCAL ROLE auth_user; SET LOCAL app.user_id = 'x'",
            "SET TRANSACTION READ ONLY",
            "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))",
            "SELECT set_config('app.user_id', $1, true)",
            "ALTER ROLE auth_api SET search_path = auth",
            "CREATE TEMP TABLE batch (id uuid) ON COMMIT DROP",
            "Set the gateway's address first.",
        ],
    )
    def test_is_not_seen_where_there_is_none(self, sql):
        assert session_state(sql) == []

    def test_is_found_inside_an_f_string(self):
        source = 'def f(role):\n    return f"SET ROLE {role}"\n'

        assert [fault for _, text in texts_of(source) for fault in session_state(text)]
