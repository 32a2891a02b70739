"""Every guard with the test that fails without it; docs/guards.md is written from this."""

from tests.guards.answering import ANSWERING
from tests.guards.auth import AUTH
from tests.guards.callers import CALLERS
from tests.guards.connecting import CONNECTING
from tests.guards.erasing import ERASING
from tests.guards.exporting import EXPORTING
from tests.guards.files import FILES
from tests.guards.guard import Guard
from tests.guards.health import HEALTH, TELEMETRY
from tests.guards.locking import LOCKING
from tests.guards.mailing import MAILING
from tests.guards.pooling import POOLING
from tests.guards.profiles import PROFILES
from tests.guards.sealing import SEALING
from tests.guards.sessions import SESSIONS
from tests.guards.tokens import TOKENS

_PG = "tests/integration/postgres"
_MSG = "tests/integration/messaging"
_JOBS = "tests/integration/jobs"

POSTGRES = (
    Guard(
        "asyncpg keeps no statements behind a transaction pooler",
        "postgres/engine.py",
        'arguments["statement_cache_size"] = 0',
        "pass",
        f"{_PG}/test_statement_names.py::TestStatements::test_on_the_driver_s_connection_do_too",
    ),
    Guard(
        "SQLAlchemy keeps no statements behind a transaction pooler",
        "postgres/engine.py",
        'arguments["prepared_statement_cache_size"] = 0',
        "pass",
        f"{_PG}/test_statement_names.py::TestCaches"
        "::test_are_off_and_statements_have_no_name_behind_a_transaction_pooler",
    ),
    Guard(
        "FORCE ROW LEVEL SECURITY",
        "postgres/access.py",
        'yield f"alter table {name} force row level security;\\n"',
        'yield ""',
        "tests/unit/postgres/test_access.py",
    ),
    Guard(
        "a connection whose BEGIN failed is terminated",
        "postgres/connection.py",
        "            else:\n                self.terminate()\n            raise\n        self._is_open",
        "            raise\n        self._is_open",
        f"{_PG}/test_lost_connection.py::TestSilentNetwork::test_ends_a_begin",
    ),
    Guard(
        "SQLAlchemy asks the driver for each statement, so that what was put off leaves before it",
        "postgres/engine.py",
        'arguments["prepared_statement_cache_size"] = 0',
        'arguments["prepared_statement_cache_size"] = 100',
        f"{_PG}/test_asking.py::TestWhatIsPutOff"
        "::test_comes_before_a_statement_that_the_connection_has_prepared",
    ),
    Guard(
        "what was put off too late stays out of the next transaction",
        "postgres/connection.py",
        "self._service, self._put_off, self.found_first = service, [], []",
        "self._service = service",
        f"{_PG}/test_asking.py::TestWhatIsPutOff::test_of_a_transaction_that_is_over_stays_out_of_the_next",
    ),
    Guard(
        "COMMIT's answer is read: a swallowed error is no silent rollback",
        "postgres/connection.py",
        '        if answer != "COMMIT":\n            raise TransactionAbortedError(answer)\n',
        "        del answer\n",
        f"{_PG}/test_transaction.py::TestTransaction"
        "::test_that_swallows_a_failed_statement_is_an_error_not_a_silent_rollback",
    ),
    Guard(
        "the role is part of BEGIN",
        "postgres/context.py",
        "; SET LOCAL ROLE {role_name(service, as_user)}",
        "; SELECT '{role_name(service, as_user)}'",
        f"{_PG}/test_transaction.py::TestTransaction::test_runs_as_whom_it_says",
    ),
    Guard(
        "migrations refuse to run where the owner would see nothing",
        "postgres/migrations.py",
        'if found != "yes":',
        "if False:",
        f"{_PG}/test_migration_env.py::TestEnv::test_refuses_to_run_when_the_owner_would_see_nothing",
    ),
)

MESSAGING = (
    Guard(
        "the inbox row: an event that comes twice has one effect",
        "messaging/delivery.py",
        "                if message.event_id not in fresh:\n",
        "                if message.event_id is None:\n",
        f"{_MSG}/test_consumer.py::TestConsumer::test_a_message_that_comes_twice_has_one_effect",
    ),
    Guard(
        "the relay's advisory lock: batches of two leaders do not overlap",
        "messaging/relay.py",
        "if not alone:",
        "if alone is None:",
        f"{_MSG}/test_relay.py::TestRelay::test_waits_while_a_batch_of_another_leader_is_open",
    ),
    Guard(
        "the lease: only its holder sends",
        "messaging/relay.py",
        "if not held:",
        "if held is None:",
        f"{_MSG}/test_relay.py::TestRelay::test_a_leader_that_lost_its_lease_unawares_sends_nothing",
    ),
    Guard(
        "the fence: a paused leader's producer is refused",
        "messaging/channel.py",
        "transactional_id=self._transactional_id,\n",
        'transactional_id=f"{self._transactional_id}-{id(self)}",\n',
        f"{_MSG}/test_leadership.py::TestChannel::test_an_older_leader_can_no_longer_send",
    ),
    Guard(
        "ORDER BY position: rows are sent in the order of commits",
        "messaging/relay.py",
        "(SELECT * FROM outbox WHERE position > $3 ORDER BY position LIMIT $1)",
        "(SELECT * FROM outbox WHERE position > $3 LIMIT $1)",
        f"{_MSG}/test_relay.py::TestRelay::test_sends_in_the_order_of_positions_however_rows_lie",
    ),
    Guard(
        "the relay's floor waits for whoever was writing",
        "messaging/floor.py",
        "if self._writers & writers:",
        "if not writers and self._writers is None:",
        "tests/unit/messaging/test_floor.py::TestAFloor"
        "::test_waits_for_everybody_who_was_writing_and_for_nobody_who_came_later",
    ),
    Guard(
        "the relay's floor ends with the run of the server",
        "messaging/floor.py",
        "if server != self._server:",
        "if self._server is None:",
        "tests/unit/messaging/test_floor.py::TestAFloor::test_is_none_on_a_server_that_has_started_since",
    ),
    Guard(
        "the lock in record(): positions of a key are drawn one writer after the other",
        "messaging/outbox.py",
        "count(pg_advisory_xact_lock(name))",
        "count(name)",
        f"{_MSG}/test_outbox.py::TestRecord::test_the_second_writer_of_a_key_waits_for_the_first",
    ),
    Guard(
        "the rebalance listener waits for what is in flight",
        "messaging/rebalance.py",
        "        await self.wait_for_lanes()\n        # Only",
        "        # Only",
        f"{_MSG}/test_consumer.py::TestHandover::test_partitions_are_not_given_away_while_work_is_in_flight",
    ),
    Guard(
        "a poison message parks its key and nothing else",
        "messaging/delivery.py",
        "if (message.topic, message.key) in parked and not _passes(message):",
        "if False:",
        f"{_MSG}/test_consumer.py::TestParking::test_a_poison_message_stops_its_key_and_nothing_else",
    ),
    Guard(
        "a handler that is cancelled from inside ends no lane",
        "messaging/delivery.py",
        "if task is None or task.cancelling():",
        "if True:",
        f"{_MSG}/test_consumer.py"
        "::TestParking::test_a_handler_that_is_cancelled_from_inside_stops_its_key_and_no_lane",
    ),
    Guard(
        "a message that cannot be decoded is kept as its user's",
        "messaging/parking.py",
        '"user_id": user_of(message.record),',
        '"user_id": message.event.user_id if message.event else None,',
        f"{_MSG}/test_parking.py"
        "::TestADeadLetter::test_names_its_user_and_its_trace_although_its_payload_cannot_be_read",
    ),
    Guard(
        "what loses its session again and again while the database answers is parked",
        "messaging/course.py",
        "return Deliver(messages) if self._lost is None else Ask()",
        "return Deliver(messages)",
        "tests/unit/messaging/test_course.py::TestACourse"
        "::test_parks_alone_what_loses_its_session_again_and_again_although_the_database_answers",
    ),
    Guard(
        "a worker asks for parked keys after it waited for another at the inbox",
        "messaging/delivery.py",
        "claimed, seen = found_first(tx)",
        "seen, claimed = await ask(tx, *reversed(first))",
        f"{_MSG}/test_parking.py::TestAWorkerThatWaitedForAnother"
        "::test_finds_the_key_that_the_other_parked_meanwhile",
    ),
    Guard(
        "a message that parks its key waits for a replay that opens it",
        "messaging/parking.py",
        "ON CONFLICT (consumer, topic, key) DO UPDATE SET attempts = k.attempts",
        "ON CONFLICT DO NOTHING",
        f"{_MSG}/test_parking.py::TestAMessageThatParksItsKey"
        "::test_stops_the_key_anew_when_a_replay_opens_it_in_the_same_moment",
    ),
    Guard(
        "what Kafka's client had read before an error is read again",
        "messaging/intake.py",
        "                await self._read_again(consumer)\n",
        "",
        "tests/simulation/test_consumer.py::TestConsumers"
        "::test_give_every_event_its_effect_once_and_in_order",
    ),
    Guard(
        "a header whose name is no text stops nobody",
        "messaging/consumer.py",
        "        tolerate_any_header_name()\n",
        "",
        f"{_MSG}/test_header_names.py::TestANameThatIsNoText::test_keeps_nobody_from_being_handled",
    ),
    Guard(
        "nothing is parked because the database is away",
        "messaging/failures.py",
        "return isinstance(error, QuartetError) and error.code in _AWAY",
        "return False",
        f"{_MSG}/test_lost_session.py::TestADatabaseThatIsAway::test_parks_nothing_and_loses_nothing",
    ),
)

JOBS = (
    Guard(
        "a runner that was woken lets the events of the same commit go first",
        "jobs/runner.py",
        "if self._wake.is_set() and not self._freed:",
        "if False:",
        f"{_JOBS}/test_runner.py::TestRunner::test_rests_after_a_wake_and_can_be_stopped_meanwhile",
    ),
    Guard(
        "a place that a job left is given on at once",
        "jobs/runner.py",
        "if self._wake.is_set() and not self._freed:",
        "if self._wake.is_set():",
        f"{_JOBS}/test_runner.py::TestRunner::test_gives_a_place_that_was_freed_to_the_next_at_once",
    ),
    Guard(
        "a job's end is written by whoever holds its claim",
        "jobs/endings.py",
        'claim = NULL, claim_until = NULL\n    WHERE id = :id AND claim = :claim\n""")\n\n_TRY',
        'claim = NULL, claim_until = NULL\n    WHERE id = :id\n""")\n\n_TRY',
        f"{_JOBS}/test_lease.py::TestClaim::test_of_another_stands_against_every_ending",
    ),
    Guard(
        "progress never goes back",
        "jobs/control.py",
        "greatest(CAST(progress ->> 'done' AS bigint), CAST(:done AS bigint))",
        "CAST(:done AS bigint)",
        f"{_JOBS}/test_lease.py::TestProgress::test_never_goes_back",
    ),
    Guard(
        "progress and checkpoint are written by whoever holds the claim",
        "jobs/control.py",
        "END\n    WHERE id = :id AND claim = :claim\n",
        "END\n    WHERE id = :id\n",
        f"{_JOBS}/test_checkpoint.py::TestCheckpoint"
        "::test_undoes_the_effect_of_a_run_that_has_lost_its_lease",
    ),
    Guard(
        "a body that has not committed holds up no other job's lease",
        "jobs/claiming.py",
        "FOR NO KEY UPDATE OF jobs SKIP LOCKED",
        "FOR NO KEY UPDATE OF jobs",
        f"{_JOBS}/test_checkpoint.py::TestCheckpoint::test_that_is_not_committed_yet_holds_up_no_other_lease",
    ),
    Guard(
        "a retry that meets another job of its key is refused, not failed",
        "jobs/administration.py",
        '!= "jobs_unfinished_key"',
        "is not None",
        f"{_JOBS}/test_api.py::TestJobsApi::test_a_retry_that_meets_the_making_of_another_says_so_too",
    ),
    Guard(
        "an unfinished job absorbs another of its kind and key",
        "jobs/enqueue.py",
        "    ON CONFLICT DO NOTHING\n",
        "",
        f"{_JOBS}/test_enqueue.py::TestEnqueue::test_an_unfinished_job_of_the_kind_and_key_absorbs_another",
    ),
)

HTTP = (
    Guard(
        "the drain's delay: a process serves on after readiness began to fail",
        "health/drain.py",
        "timeout=self._settings.delay_seconds",
        "timeout=0",
        "tests/unit/health/test_drain.py::TestTheDrain::test_serves_on_for_the_delay",
    ),
    Guard(
        "a leaving process says so before anything else changes",
        "health/drain.py",
        "            if self.draining:\n                raise Unwell",
        "            if False:\n                raise Unwell",
        "tests/unit/health/test_drain.py::TestTheDrain::test_is_unready_at_once",
    ),
    Guard(
        "a token of an ended session is refused, remembered or not",
        "http/tokens.py",
        "if principal.session_id in self._revoked:",
        "if False:",
        "tests/unit/http/test_tokens.py::TestARememberedToken::test_is_refused_once_its_session_ended",
    ),
    Guard(
        "nobody is let in before the ended sessions are known",
        "revocation.py",
        "        if self._all_read_at is None:\n            raise",
        "        if False:\n            raise",
        "tests/integration/health/test_revocation.py::TestTheReader::test_lets_nobody_in_before_it_has_read",
    ),
)

GUARDS = (
    *CONNECTING,
    *POSTGRES,
    *POOLING,
    *MESSAGING,
    *JOBS,
    *LOCKING,
    *SEALING,
    *HTTP,
    *ANSWERING,
    *HEALTH,
    *TELEMETRY,
    *CALLERS,
    *AUTH,
    *TOKENS,
    *MAILING,
    *SESSIONS,
    *PROFILES,
    *FILES,
    *ERASING,
    *EXPORTING,
)
