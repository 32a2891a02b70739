import asyncpg
import pytest

from common.errors import Fault, Kind
from common.postgres import faults
from common.postgres.constraints import NO_CONSTRAINTS, Constraint, Constraints, name_at_parent


def violation(name: str) -> asyncpg.PostgresError:
    return asyncpg.PostgresError.new(
        {
            "C": "23505",
            "M": f'duplicate key value violates unique constraint "{name}"',
            "D": "Key (email)=(ada@example.org) already exists.",
            "n": name,
            "t": "users",
        },
        "insert into users …",
    )


class TestConstraint:
    def test_is_known_by_its_name(self):
        constraints = Constraints(
            {"users_email_key": Constraint("email.taken", "This address is taken.", pointer="/email")}
        )

        error = faults.translated(violation("users_email_key"), constraints)

        assert (error.code, error.kind) == ("email.taken", Kind.CONFLICT)
        assert error.faults == (Fault("/email", "email.taken", "This address is taken."),)

    def test_that_nobody_registered_is_a_bug_and_shows_neither_sql_nor_values(self):
        error = faults.translated(violation("users_email_key"), NO_CONSTRAINTS)

        shown = f"{error!r} {error.detail} {error.__notes__}"
        assert (error.code, error.kind) == ("database.constraint", Kind.INTERNAL)
        assert "users_email_key" in shown
        assert "insert" not in shown
        assert "ada@example.org" not in shown

    @pytest.mark.parametrize(
        ("name", "table", "at_parent"),
        [
            ("audit_log_y2026m11_pkey", "audit_log_y2026m11", "audit_log_pkey"),
            ("inbox_default_pkey", "inbox_default", "inbox_pkey"),
            ("users_email_norm_key", "users", "users_email_norm_key"),
            ("parked_messages_key_fkey", "parked_messages", "parked_key_fkey"),
            ("named_by_hand", "audit_log_default", "named_by_hand"),
        ],
    )
    def test_of_a_partition_has_a_name_at_its_table(self, name, table, at_parent):
        assert name_at_parent(name, table) == at_parent

    def test_of_a_table_comes_before_what_it_might_be_a_partition_s(self):
        constraints = Constraints(
            {"parked_pkey": Constraint("wrong", "No."), "parked_keys_pkey": Constraint("right", "Yes.")}
        )

        assert constraints.error("parked_keys_pkey", table="parked_keys").code == "right"


class TestFault:
    @pytest.mark.parametrize(
        ("error", "code", "kind"),
        [
            (asyncpg.InternalClientError("gone"), "database.unavailable", Kind.UNAVAILABLE),
            (asyncpg.ConnectionDoesNotExistError("gone"), "database.unavailable", Kind.UNAVAILABLE),
            (asyncpg.AdminShutdownError("stop"), "database.unavailable", Kind.UNAVAILABLE),
            (asyncpg.CannotConnectNowError("starting"), "database.unavailable", Kind.UNAVAILABLE),
            (asyncpg.TooManyConnectionsError("full"), "database.unavailable", Kind.UNAVAILABLE),
            (asyncpg.IdleInTransactionSessionTimeoutError("idle"), "database.unavailable", Kind.UNAVAILABLE),
            (asyncpg.ProtocolViolationError("query_wait_timeout"), "database.unavailable", Kind.UNAVAILABLE),
            (
                asyncpg.ProtocolViolationError("server login has been failing, try again later"),
                "database.unavailable",
                Kind.UNAVAILABLE,
            ),
            (asyncpg.ProtocolViolationError("no such database: x"), "database.refused", Kind.INTERNAL),
            (asyncpg.ProtocolViolationError("SASL authentication failed"), "database.refused", Kind.INTERNAL),
            (asyncpg.InvalidPasswordError("wrong"), "database.refused", Kind.INTERNAL),
            (ConnectionResetError(), "database.unavailable", Kind.UNAVAILABLE),
            (TimeoutError(), "database.timeout", Kind.UNAVAILABLE),
            (asyncpg.QueryCanceledError("statement timeout"), "database.timeout", Kind.UNAVAILABLE),
            (asyncpg.SerializationError("again"), "database.contention", Kind.UNAVAILABLE),
            (asyncpg.DeadlockDetectedError("again"), "database.contention", Kind.UNAVAILABLE),
            (asyncpg.CharacterNotInRepertoireError("0x00"), "database.bad_value", Kind.INVALID),
            (asyncpg.DataError("invalid input for query argument $1"), "database.bad_value", Kind.INVALID),
            (asyncpg.NumericValueOutOfRangeError("too big"), "database.bad_value", Kind.INVALID),
        ],
    )
    def test_has_a_code_and_a_kind(self, error, code, kind):
        found = faults.translated(error, NO_CONSTRAINTS)

        assert (found.code, found.kind) == (code, kind)
        assert (found.retry_after_seconds is not None) == (kind is Kind.UNAVAILABLE)

    @pytest.mark.parametrize(
        "error",
        [
            ValueError("not ours"),
            asyncpg.UndefinedTableError("no such table"),
            asyncpg.InsufficientPrivilegeError("permission denied"),
            asyncpg.InvalidParameterValueError('role "x" does not exist'),
            FileNotFoundError("a use case's own"),
        ],
    )
    def test_that_is_a_mistake_in_the_code_stays_what_it_is(self, error):
        assert faults.translated(error, NO_CONSTRAINTS) is None

    @pytest.mark.parametrize("error", [OSError("no route"), asyncpg.InterfaceError("connection is closed")])
    def test_that_says_little_means_a_lost_connection_once_it_is_closed(self, error):
        assert faults.translated(error, NO_CONSTRAINTS) is None
        assert faults.translated(error, NO_CONSTRAINTS, closed=True).code == "database.unavailable"

    @pytest.mark.parametrize("error", [OSError("no route"), TimeoutError(), ConnectionRefusedError()])
    def test_at_the_beginning_is_always_the_database_s(self, error):
        assert faults.at_begin(error).code == "database.unavailable"
