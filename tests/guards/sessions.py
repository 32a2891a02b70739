from tests.guards.guard import Guard

_AUTH = "services/auth/src/auth_service"
_MODEL = "tests/integration/auth/test_session_model.py::TestSessions::test_agree_with_their_model"

SESSIONS = (
    Guard(
        "a refresh token advances the session only from its own counter",
        "storage/session_states.py",
        "AND s.refresh_counter = $3 AND",
        "AND s.refresh_counter >= $3 AND",
        _MODEL,
        below=_AUTH,
    ),
    Guard(
        "a refresh token older than the one before ends the session",
        "domain/refresh_tokens.py",
        "case behind if behind > 1:",
        "case behind if behind > 1_000:",
        "tests/integration/auth/test_contention.py::TestOneToken"
        "::test_of_long_ago_ends_the_session_with_its_access_tokens",
        below=_AUTH,
    ),
    Guard(
        "a session is seen at most once a minute, whichever process sees it",
        "storage/session_states.py",
        "AND is_active AND last_seen_at <= $4",
        "AND is_active AND $4 IS NOT NULL",
        "tests/integration/auth/test_last_seen.py::TestASession"
        "::test_is_written_once_a_minute_by_all_processes",
        below=_AUTH,
    ),
    Guard(
        "a step-up raises the acr although a clock is behind",
        "storage/session_states.py",
        "auth_time = greatest(:now, s.created_at + interval '1 microsecond')",
        "auth_time = :now",
        "tests/integration/auth/test_step_up.py::TestStepUp::test_raises_the_acr_although_the_clock_is_behind",
        below=_AUTH,
    ),
    Guard(
        "a fresh proof is no older than the route says",
        "http/principals.py",
        "now - self.auth_time <= longest",
        "longest is not None",
        "tests/unit/http/test_permissions.py::TestARouteForAFreshProof::test_takes_no_older_and_no_weaker_one",
    ),
    Guard(
        "a password is changed with a proof of the last hour",
        "api/passwords.py",
        "dependencies=[per_user(PASSWORD_CHANGE), RECENT_PROOF],",
        "dependencies=[per_user(PASSWORD_CHANGE)],",
        "tests/integration/auth/test_step_up.py::TestARouteThatCouldTakeAnAccountOver"
        "::test_answers_an_older_proof_with_a_challenge",
        below=_AUTH,
    ),
    Guard(
        "the cookie alone refreshes nothing",
        "api/cookies.py",
        'if not _fits(request.headers.get(CSRF_HEADER, ""), token.session_id, macs):',
        "if token is None:",
        "tests/unit/services/test_cookies.py::TestCookies::test_are_no_use_with_another_page_token",
        below=_AUTH,
    ),
    Guard(
        "a page of another host of the site uses no cookie",
        "api/cookies.py",
        'or not _is_own_page(origin or "", request):',
        'and not _is_own_page(origin or "", request):',
        "tests/unit/services/test_cookies.py::TestCookies::test_are_no_use_to_a_page_that_is_not_listed",
        below=_AUTH,
    ),
    Guard(
        "a clean-up waits for nobody",
        "storage/dead_rows.py",
        "LIMIT :batch FOR UPDATE SKIP LOCKED)",
        "LIMIT :batch FOR UPDATE)",
        "tests/integration/auth/test_clean_up.py::TestCleanUp::test_waits_for_nobody_who_holds_a_row",
        below=_AUTH,
    ),
    Guard(
        "an ended session is deleted only when it was kept for its time",
        "storage/dead_rows.py",
        "< now() - CAST(:kept AS interval)",
        "< now() + 0 * CAST(:kept AS interval)",
        "tests/integration/auth/test_clean_up.py::TestCleanUp"
        "::test_deletes_sessions_that_are_over_and_no_others",
        below=_AUTH,
    ),
)
