"""What connections, transactions and the meaning of constraints hang on."""

from tests.guards.guard import Guard

_PG = "tests/integration/postgres"
_POOL = "tests/unit/postgres/test_pool.py"

POOLING = (
    Guard(
        "the encoding is spelled as servers do: a pooler would set it before each transaction",
        "postgres/url.py",
        '"client_encoding": "UTF8", ',
        "",
        "tests/integration/connecting/test_pooler.py::TestStartOfAConnection"
        "::test_names_nothing_that_a_pooler_would_refuse",
    ),
    Guard(
        "a transaction in one trip ends with a single Sync",
        "postgres/trip.py",
        "(role, _user_id(step.as_user)), naming), _EXECUTE)",
        "(role, _user_id(step.as_user)), naming), _EXECUTE, _SYNC)",
        "tests/unit/postgres/test_trip.py::TestTripMessage::test_asks_for_one_answer_only",
    ),
    Guard(
        "a trip's role ends with it",
        "postgres/trip.py",
        "set_config('role', $1, true)",
        "set_config('role', $1, false)",
        f"{_PG}/test_one_trip.py::TestOneTrip::test_leaves_no_role_and_no_user_on_its_connection",
    ),
    Guard(
        "a trip's user ends with it",
        "postgres/trip.py",
        "set_config('app.user_id', $2, true)",
        "set_config('app.user_id', $2, false)",
        f"{_PG}/test_one_trip.py::TestOneTrip::test_leaves_no_role_and_no_user_on_its_connection",
    ),
    Guard(
        "a statement is described once for each connection",
        "postgres/connection.py",
        "            self._described[key] = statement\n",
        "",
        f"{_PG}/test_asking.py::TestAStatement::test_that_was_asked_before_is_one_trip",
    ),
    Guard(
        "what was put off leaves before the next statement",
        "postgres/connection.py",
        "        await self._ask_what_was_put_off()\n        key",
        "        key",
        f"{_PG}/test_asking.py::TestWhatIsPutOff::test_comes_before_the_next_statement",
    ),
    Guard(
        "what was put off leaves before the driver's own statement",
        "postgres/connection.py",
        "        await self._ask_what_was_put_off()\n        return",
        "        return",
        f"{_PG}/test_asking.py::TestWhatIsPutOff::test_comes_before_a_statement_of_the_driver_s",
    ),
    Guard(
        "a first step that waits for others is no dead connection",
        "postgres/engine.py",
        "if faults.is_disconnect(error) and pooled.driver.is_closed():",
        "if faults.is_disconnect(error):",
        f"{_PG}/test_asking.py::TestWhatATransactionBeginsWith"
        "::test_that_takes_too_long_is_no_dead_connection",
    ),
    Guard(
        "what was put off leaves with COMMIT",
        "postgres/connection.py",
        "            if self._put_off:\n                answer",
        "            if False:\n                answer",
        f"{_PG}/test_asking.py::TestWhatIsPutOff::test_leaves_with_commit_in_one_trip",
    ),
    Guard(
        "what was put off ends with its transaction",
        "postgres/connection.py",
        "        self._put_off = []\n        try:",
        "        try:",
        f"{_PG}/test_asking.py::TestWhatIsPutOff::test_is_forgotten_when_the_transaction_fails",
    ),
    Guard(
        "a trip that is cancelled ends its connection: the answer is still on its way",
        "postgres/connection.py",
        "self.terminate()\n            raise\n        finally:\n            late",
        "raise\n        finally:\n            late",
        f"{_PG}/test_one_trip.py::TestCancelledTrip::test_costs_its_connection_and_nothing_else",
    ),
    Guard(
        "behind a pooler a statement's name is made of the statement",
        "postgres/statement_names.py",
        "f'{role};{statement}'",
        "role",
        f"{_PG}/test_named_statements.py::TestNamedStatement::test_is_never_answered_by_another_s",
    ),
    Guard(
        "no plan is used by two roles",
        "postgres/statement_names.py",
        "f'{role};{statement}'",
        "statement",
        "tests/unit/postgres/test_statement_names.py::TestName::test_is_of_one_statement_and_one_role",
    ),
    Guard(
        "a statement that the server does not know is told anew",
        "postgres/connection.py",
        "(asyncpg.InvalidSQLStatementNameError, ",
        "(",
        f"{_PG}/test_named_statements.py::TestNamedStatement"
        "::test_that_the_server_does_not_know_is_named_anew_on_the_same_connection",
    ),
    Guard(
        "a plan from before a migration is made anew",
        "postgres/connection.py",
        ", asyncpg.FeatureNotSupportedError)",
        ",)",
        f"{_PG}/test_named_statements.py::TestNamedStatement::test_whose_result_was_migrated_is_named_anew",
    ),
    Guard(
        "what was written is sent before a connection is closed",
        "http/gathered.py",
        "        self._flush()\n        self._transport.close()",
        "        self._transport.close()",
        "tests/unit/http/test_gathered.py::TestGatheredWrites::test_leave_before_the_connection_is_closed",
    ),
    Guard(
        "what was being opened for a cancelled caller is kept",
        "postgres/pool.py",
        "            opening.add_done_callback(self._keep_what_was_opened)\n",
        "",
        f"{_POOL}::TestPool::test_keeps_what_was_being_opened_for_a_cancelled_caller",
    ),
    Guard(
        "a place that came to a cancelled waiter goes to the next",
        "postgres/pool.py",
        "            if waiter.done() and not waiter.cancelled():\n",
        "            if False:\n",
        f"{_POOL}::TestPool::test_gives_the_place_of_a_cancelled_waiter_to_the_next",
    ),
    Guard(
        "a place that was given to a waiter counts as no connection in use",
        "postgres/pool.py",
        "        there = self.checked_out - self._promised + len(self._idle)\n",
        "        there = self.checked_out + len(self._idle)\n",
        f"{_POOL}::TestPool::test_keeps_all_that_come_back_before_the_one_who_waited_runs",
    ),
    Guard(
        "a connection beyond the pool's size is closed after use",
        "postgres/pool.py",
        "        if wanted and self._usable(pooled):\n",
        "        if self._usable(pooled):\n",
        f"{_POOL}::TestOverflow::test_is_closed_after_use",
    ),
    Guard(
        "a rollback goes on when its caller is cancelled",
        "postgres/engine.py",
        "await asyncio.shield(self.pool.in_background(self._roll_back(pooled)))",
        "await self._roll_back(pooled)",
        f"{_PG}/test_cancellation.py::TestCancellation"
        "::test_that_comes_during_a_rollback_does_not_cost_the_connection",
    ),
    Guard(
        "a cancelled BEGIN gives its connection back",
        "postgres/engine.py",
        "self._begin_anew(pooled, as_user, first)\n            self.pool.give_back(pooled)\n",
        "self._begin_anew(pooled, as_user, first)\n",
        f"{_PG}/test_cancellation.py::TestCancellation"
        "::test_wherever_it_comes_leaks_no_connection_and_no_transaction",
    ),
    Guard(
        "a connection that is out for long is told of while it is out",
        "postgres/checkouts.py",
        "            self._look_again_in(self._long_seconds)\n",
        "            pass\n",
        "tests/unit/postgres/test_checkouts.py::TestLongCheckout::test_is_told_once_while_it_lasts_and_counted",
    ),
    Guard(
        "a partition's constraint means what its table's does",
        "postgres/constraints.py",
        ' or self.by_name.get(name_at_parent(name or "", table or ""))',
        "",
        f"{_PG}/test_transaction.py::TestConstraintViolation"
        "::test_is_known_by_the_constraint_s_name_though_a_partition_calls_it_otherwise",
    ),
    Guard(
        "a route's transaction is committed before its answer",
        "http/transactions.py",
        ', scope="function"',
        "",
        f"{_PG}/test_request_transaction.py::TestOwnTransaction::test_is_committed_before_the_answer_begins",
    ),
    Guard(
        "what is past its time says the clock of the database",
        "housekeeping/loop.py",
        'sa.text("SELECT now()")',
        "sa.text(\"SELECT now() + interval '1 hour'\")",
        "tests/integration/housekeeping/test_housekeeping.py::TestHousekeeping"
        "::test_goes_by_the_clock_of_the_database",
    ),
    Guard(
        "the rows of a batch are chosen once, whatever the planner believes",
        "housekeeping/tasks.py",
        "DELETE FROM jobs WHERE id IN (SELECT id FROM old)",
        "DELETE FROM jobs WHERE id IN (SELECT id FROM jobs WHERE finished_at < :before"
        " ORDER BY finished_at LIMIT :batch FOR UPDATE SKIP LOCKED)",
        "tests/integration/housekeeping/test_housekeeping.py::TestPurge"
        "::test_goes_on_to_the_end_in_a_table_that_is_believed_to_be_nearly_empty",
    ),
)
