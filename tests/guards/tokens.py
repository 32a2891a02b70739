"""Who gets a token, what it opens, and when it is over."""

from tests.guards.guard import Guard

_AUTH = "services/auth/src/auth_service"
_OAUTH = "tests/integration/auth/test_oauth.py"
_LEGACY = "tests/integration/auth/test_legacy.py"
_KEYS = "tests/unit/services/test_key_rotation.py"

TOKENS = (
    Guard(
        "a client has the secret that it was given",
        "domain/service_clients.py",
        "return same and stored is not None",
        "return stored is not None",
        f"{_OAUTH}::TestAClient::test_of_another_secret_is_refused_as_one_that_nobody_knows",
        below=_AUTH,
    ),
    Guard(
        "a disabled client gets no token",
        "usecases/authenticate_client.py",
        "if row is None or not right or not row.is_active:",
        "if row is None or not right:",
        f"{_OAUTH}::TestAClient::test_that_is_disabled_is_refused_at_once",
        below=_AUTH,
    ),
    Guard(
        "a service's token carries no more than its client may",
        "usecases/issue_service_token.py",
        "if not granted <= client.scopes:",
        "if False:",
        f"{_OAUTH}::TestAClient::test_that_asks_for_more_than_it_may_is_told_so",
        below=_AUTH,
    ),
    Guard(
        "a form has each field once",
        "api/forms.py",
        "if len(fields) != len(pairs):",
        "if False:",
        f"{_OAUTH}::TestAClient::test_whose_form_can_be_read_in_two_ways_is_refused",
        below=_AUTH,
    ),
    Guard(
        "introspection asks whether the session lasts",
        "usecases/introspect.py",
        "if state is None or not state.is_active or not state.user_is_active or state.expires_at <= now:",
        "if state is None:",
        f"{_OAUTH}::TestIntrospection::test_knows_the_end_of_a_session_at_once",
        below=_AUTH,
    ),
    Guard(
        "a token without a service's scope opens nothing there",
        "http/tokens.py",
        "if self._scope is not None and self._scope not in principal.scopes:",
        "if False:",
        f"{_LEGACY}::TestAnOlderToken::test_without_the_scope_of_a_service_is_good_for_nothing_there",
    ),
    Guard(
        "an older token finds only accounts that may sign in",
        "usecases/find_user_by_email.py",
        "return user_id if state is not None and state.is_active and state.is_verified else None",
        "return user_id if state is not None else None",
        f"{_LEGACY}::TestAnOlderToken::test_by_an_address_is_refused_for_an_account_that_may_not_sign_in",
        below=_AUTH,
    ),
    Guard(
        "the use of older tokens is written down once for a user and day",
        "http/legacy_use.py",
        '"id": derived_id(day, f"{ACTION} {user_id}"),',
        '"id": derived_id(now, f"{ACTION} {user_id}"),',
        f"{_LEGACY}::TestUseOfOlderTokens::test_is_written_down_once_for_a_user_and_day",
    ),
    Guard(
        "a signing key is published for a while before it signs",
        "domain/key_rotation.py",
        "if now - pending.changed_at >= rotation.publish_for:",
        "if now >= pending.changed_at:",
        f"{_KEYS}::TestRotation::test_waits_until_everybody_has_seen_the_new_one",
        below=_AUTH,
    ),
    Guard(
        "a signing key is published for as long as its tokens live",
        "domain/key_rotation.py",
        "if now - key.changed_at >= rotation.retire_after",
        "if now >= key.changed_at",
        f"{_KEYS}::TestRotation::test_keeps_the_former_one_published_while_its_tokens_live",
        below=_AUTH,
    ),
    Guard(
        "a service's token that is refused is fetched anew",
        "http/service_tokens.py",
        "if answer.status_code != 401:",
        "if answer is not None:",
        "tests/integration/auth/test_service_token_auth.py"
        "::TestAServiceThatCallsAnother::test_asks_anew_when_its_token_is_refused",
    ),
)
