import re

from common.postgres.timeouts import IDLE_IN_TRANSACTION_SECONDS
from quartet_cli.stack import Stack
from quartet_cli.stack.pgbouncer import PLAIN_USERS, configuration, hba_text, user_list
from quartet_cli.stack.postgres import configuration as postgres_configuration
from quartet_cli.stack.table import aliases


def entered_by(stack: Stack) -> dict[str, set[str]]:
    lines = [line.split() for line in hba_text(stack).splitlines()]
    assert all(line[0] == "hostssl" and line[-1] == "scram-sha-256" for line in lines)
    return {line[1]: set(line[2].split(",")) for line in lines}


class TestAliases:
    def test_are_an_api_a_worker_and_a_probe_of_each_service(self):
        sizes = {alias.name: alias.size for alias in aliases()}

        assert sizes == {
            f"{service}_{kind}": size
            for service in ("auth", "profile", "calendar", "chat")
            for kind, size in (("api", 6), ("worker", 10), ("probe", 1))
        }

    def test_of_a_test_worker_lead_to_its_own_database(self, test_stack: Stack):
        found = {alias.name: alias.database for alias in aliases(test_stack.workers)}

        assert found["gw3_auth_api"] == "gw3"
        assert found["auth_api"] == "quartet"

    def test_have_one_connection_more_than_their_pools_for_looking_up_a_password(self, stack: Stack):
        text = configuration(stack)

        assert re.search(r"^auth_api = .* pool_size=6 max_db_connections=7$", text, re.MULTILINE)
        assert re.search(r"^auth_worker = .* pool_size=10 max_db_connections=11$", text, re.MULTILINE)
        assert re.search(r"^auth_probe = .* pool_size=1 max_db_connections=3$", text, re.MULTILINE)

    def test_fit_into_the_connections_of_postgresql(self, stack: Stack):
        asked = sum(alias.max_connections for alias in aliases())
        found = re.search(r"max_connections = '(\d+)'", postgres_configuration(stack))

        # migrations, the operator and what PostgreSQL keeps for superusers
        assert found
        assert asked + 12 <= int(found[1])


class TestPooler:
    def test_ends_what_stands_still_when_postgresql_ends_what_is_idle(self, stack: Stack):
        found = re.search(r"^query_timeout = (\d+)$", configuration(stack), re.MULTILINE)

        assert found
        assert int(found[1]) == IDLE_IN_TRANSACTION_SECONDS


class TestHba:
    def test_lets_a_login_enter_its_own_aliases_only(self, stack: Stack):
        allowed = entered_by(stack)

        assert allowed["auth_api"] == {"auth_api"}
        assert allowed["auth_worker"] == {"auth_worker"}
        assert allowed["auth_probe"] == {"auth_api", "auth_worker"}
        assert allowed["pgbouncer"] == {"pgb_admin", "pgb_stats"}

    def test_names_every_alias_once(self, test_stack: Stack):
        assert set(entered_by(test_stack)) == {
            "pgbouncer",
            *(alias.name for alias in aliases(test_stack.workers)),
        }

    def test_never_lets_an_owner_in(self, test_stack: Stack):
        assert not any(
            login.endswith("_owner") for logins in entered_by(test_stack).values() for login in logins
        )


class TestConfiguration:
    def test_pools_transactions_behind_tls_on_both_sides(self, stack: Stack):
        lines = configuration(stack).splitlines()

        assert "pool_mode = transaction" in lines
        assert "client_tls_sslmode = require" in lines
        assert "server_tls_sslmode = verify-full" in lines
        assert "server_login_retry = 1" in lines
        assert "auth_type = hba" in lines

    def test_holds_no_password_of_a_service(self, stack: Stack):
        text = configuration(stack) + hba_text(stack) + user_list(stack)

        assert not any(secret in text for name, secret in stack.passwords.items() if name not in PLAIN_USERS)
