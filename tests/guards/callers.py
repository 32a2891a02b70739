"""Who calls, how often, and what they are told."""

from tests.guards.guard import Guard

_TOKENS = "tests/unit/http/test_tokens.py"
_ATTACKS = "tests/unit/http/test_token_attacks.py"
_LEGACY = "tests/unit/http/test_legacy_tokens.py"
_LIMITS = "tests/integration/http/test_shared_limits.py"

CALLERS = (
    Guard(
        "the algorithm of a token is not for the token to choose",
        "http/signed.py",
        'if header.get("alg") != ALGORITHM:',
        'if header.get("alg") is None:',
        f"{_TOKENS}::TestAnAccessToken",
    ),
    Guard(
        "only an access token passes for an access token",
        "http/signed.py",
        'if header.get("typ") != TYPE:',
        "if False:",
        f"{_ATTACKS}::TestAForgedToken::test_is_refused",
    ),
    Guard(
        "a token is good for one audience",
        "http/signed.py",
        'if claims.get("aud") not in (audience, [audience]):',
        'if audience not in claims.get("aud", ()):',
        f"{_ATTACKS}::TestAForgedToken::test_is_refused",
    ),
    Guard(
        "nothing but the key's id is taken from a header",
        "http/signed.py",
        "or not header.keys() <= _HEADER",
        "or not header.keys()",
        f"{_ATTACKS}::TestAForgedToken::test_is_refused",
    ),
    Guard(
        "an older token is told by its header, before anything is verified",
        "http/legacy.py",
        'header.get("alg") == ALGORITHM and header.get("typ", "JWT") == "JWT" and header.keys() <= _HEADER',
        'header.get("alg") == ALGORITHM',
        f"{_ATTACKS}::TestAForgedToken::test_is_refused",
    ),
    Guard(
        "older tokens end with the sunset",
        "http/legacy.py",
        "if now >= self._sunset:",
        "if now is None:",
        f"{_LEGACY}::TestAnOlderToken::test_is_refused_after_the_sunset",
    ),
    Guard(
        "an older token may do what is set, not what it says",
        "http/legacy.py",
        "scopes=self._scopes,",
        'scopes=frozenset(str(claims.get("scope", "")).split()),',
        f"{_LEGACY}::TestAnOlderToken::test_may_do_what_is_set_and_nothing_that_it_says",
    ),
    Guard(
        "a token of a session is no service's",
        "http/tokens.py",
        'if "sid" in claims:',
        "if not claims:",
        f"{_ATTACKS}::TestAForgedToken::test_is_no_service",
    ),
    Guard(
        "invented key ids do not make a process ask for keys again and again",
        "http/jwks.py",
        "if found is None and (self._is_loading or self._cooled_down(now)):",
        "if found is None:",
        "tests/unit/http/test_jwks.py::TestTheKeySet::test_is_left_alone_while_it_cools_down",
    ),
    Guard(
        "limits are decided in Redis, at once for all processes",
        "http/shared_limits.py",
        "local allowed = idle_at + interval - window <= now",
        "local allowed = true",
        f"{_LIMITS}::TestManyProcesses::test_never_let_more_through_than_the_limit",
    ),
    Guard(
        "a Redis that is away does not slow each request",
        "http/shared_limits.py",
        "        if self._now() < self._paused_until:\n            return False\n",
        "",
        f"{_LIMITS}::TestWithoutRedis::test_that_says_nothing_only_the_first_request_waits",
    ),
    Guard(
        "nobody but a trusted proxy says who calls",
        "http/addresses.py",
        "if address is None or not _is_trusted(address, trusted):",
        "if address is None:",
        "tests/unit/http/test_addresses.py::TestTheCaller",
    ),
    Guard(
        "a body that is packed is refused",
        "http/bodies.py",
        "if about.encoded:",
        "if False:",
        "tests/unit/http/test_compression.py::TestABodyThatIsCompressed",
    ),
    Guard(
        "the end of a stream is not waited for by HEAD",
        "http/head.py",
        "                raise _EnoughError\n",
        "                pass\n",
        "tests/unit/http/test_head.py::TestHead::test_of_a_stream_is_over_before_it_begins",
    ),
    Guard(
        "credentials go to listed pages only",
        "http/cors.py",
        'allow_credentials="*" not in origins',
        "allow_credentials=True",
        "tests/unit/http/test_cors.py::TestAnAnswer::test_to_every_page_never_comes_with_credentials",
    ),
    Guard(
        "a head that comes byte by byte is not waited for",
        "http/connections.py",
        "        elif self._stage is _Stage.HEAD:\n            self._be_in_time()\n",
        "",
        "tests/unit/http/test_serving.py::TestASlowCaller::test_who_does_not_finish_the_head_is_answered_400",
    ),
)
