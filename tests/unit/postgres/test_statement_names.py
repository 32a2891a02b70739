from common.postgres.statement_names import Naming, StatementNames, name_of

ONE, OTHER = (("SELECT 1", "a"),), (("SELECT 1", "b"),)


class TestName:
    def test_is_of_one_statement_and_one_role(self):
        names = {name_of(statement, role) for statement in ("SELECT 1", "SELECT 2") for role in ("a", "b")}

        assert len(names) == 4
        assert name_of("SELECT 1", "a") == name_of("SELECT 1", "a")

    def test_is_shorter_than_what_the_server_cuts_off(self):
        assert len(name_of("SELECT 1" * 100, "a")) < 64


class TestStatementNames:
    def test_are_known_only_once_this_connection_has_given_them(self):
        names = StatementNames()
        before = names.naming(ONE)
        names.named(ONE)

        assert before is Naming.ANEW
        assert names.naming(ONE) is Naming.KNOWN
        assert names.naming(OTHER) is Naming.ANEW

    def test_are_left_off_where_every_server_forgets_them(self):
        names = StatementNames()
        names.named(ONE)
        ways = [names.missed() for _ in range(40)]

        assert ways[:32] == [Naming.ANEW] * 32
        assert ways[32:] == [Naming.NONE] * 8
        assert names.naming(ONE) is Naming.NONE

    def test_are_kept_where_servers_know_them_mostly(self):
        names = StatementNames()
        names.named(ONE)
        for _ in range(100):
            names.missed()
            names.met()

        assert names.naming(ONE) is Naming.KNOWN
