"""The guards of health and telemetry."""

from tests.guards.guard import Guard

_PROCESSES = "tests/integration/health/test_processes.py"
_UNIT = "tests/unit/health"

HEALTH = (
    Guard(
        "a partition that has messages and does not move makes its process not live",
        "health/watchdog.py",
        "now - mark.since > self._stuck",
        "False",
        f"{_PROCESSES}::TestAProcess::test_whose_partition_is_stuck_is_not_live",
    ),
    Guard(
        "a worker that waits for its database is not stuck",
        "composition/worker.py",
        "if consumer.waits_for_database or is_silent(",
        "if is_silent(",
        f"{_PROCESSES}::TestAProcessWhoseDatabaseIsGone::test_lives_on_with_messages_that_it_cannot_handle",
    ),
    Guard(
        "a process that leaves because a task ended stays not live",
        "health/watchdog.py",
        "if self._ended_by_themselves:",
        "if self._ended_by_themselves and not self._leaving:",
        f"{_UNIT}/test_watchdog.py::TestTheWatchdog"
        "::test_still_sees_it_when_the_process_leaves_because_of_it",
    ),
    Guard(
        "a process that cannot end ends itself",
        "health/last_resort.py",
        "    os._exit(EXIT_CODE)\n",
        "",
        f"{_PROCESSES}::TestAProcessThatCannotEnd::test_ends_itself_and_names_what_held_it",
    ),
    Guard(
        "a check that was asked a moment ago asks nobody",
        "health/checks.py",
        "if self._last is not None and self._now() - self._asked_at < self._fresh:",
        "if False:",
        f"{_PROCESSES}::TestReadinessOfAProcess::test_asks_nobody_while_its_answer_is_fresh",
    ),
    Guard(
        "a check runs once for all who ask meanwhile",
        "health/checks.py",
        "if self._running is None or self._running.done():",
        "if True:",
        f"{_UNIT}/test_checks.py::TestACheck::test_is_asked_once_for_all_who_want_to_know",
    ),
    Guard(
        "one failure among successes is not believed",
        "health/checks.py",
        "passed or (self._passed_once and self._failures < self._failures_to_fail)",
        "passed",
        f"{_UNIT}/test_checks.py::TestACheck::test_that_passed_fails_after_two_failures_in_a_row",
    ),
)

TELEMETRY = (
    Guard(
        "an event carries the trace of its cause",
        "messaging/headers.py",
        "    headers.update((name, trace[name]) for name in TRACE_HEADERS if name in trace)\n",
        "",
        "tests/integration/telemetry/test_one_trace.py::TestOneTrace"
        "::test_holds_every_step_with_its_cause_as_parent",
    ),
    Guard(
        "a collector that is away does not keep a process from ending",
        "telemetry/tracing.py",
        "closing.join(_FLUSH_SECONDS)",
        "closing.join()",
        "tests/unit/telemetry/test_tracing.py::TestExport"
        "::test_holds_up_no_request_and_no_end_when_the_collector",
    ),
    Guard(
        "a metric names the route, never the path",
        "http/envelope.py",
        "self._route_of(scope)",
        'scope["path"]',
        "tests/unit/telemetry/test_metrics.py::TestRequestMetrics::test_are_by_route_template",
    ),
    Guard(
        "the last step before a line is written hides secrets",
        "telemetry/logging.py",
        "        redact,\n",
        "",
        "tests/unit/telemetry/test_logging.py::TestRedaction::test_hides_values_of_secret_looking_keys",
    ),
    Guard(
        "what is no text is searched for secrets as the text that it turns into",
        "telemetry/logging.py",
        "redact_text(str(value))",
        "value",
        "tests/unit/telemetry/test_logging.py::TestRedaction"
        "::test_hides_what_a_value_that_is_no_text_turns_into",
    ),
)
