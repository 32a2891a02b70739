"""What conditions, patches, cursors, kept answers and streams hang on."""

from tests.guards.guard import Guard

_HTTP = "tests/unit/http"
_KEPT = "tests/integration/http/test_idempotency.py"

ANSWERING = (
    Guard(
        "If-Match: what was changed meanwhile is not changed again",
        "http/etag.py",
        "if self.if_match is not None and not self.if_match.match_strongly(version):",
        "if False:",
        f"{_HTTP}/test_etag.py::TestChanging::test_another_version_is_412_and_names_the_present_one",
    ),
    Guard(
        "a condition that is required is asked for",
        "http/etag.py",
        "if found.if_match is None:",
        "if False:",
        f"{_HTTP}/test_etag.py::TestChanging::test_without_a_condition_is_428_where_one_is_required",
    ),
    Guard(
        "a patch is bounded in depth",
        "http/merge_patch.py",
        "if depth > MOST_DEPTH:",
        "if False:",
        f"{_HTTP}/test_merge_patch.py::TestMerge::test_is_bounded_in_depth",
    ),
    Guard(
        "a cursor is signed",
        "http/cursors.py",
        "hmac.compare_digest(_sign(key, content), signature) for key in self._keys",
        "True for key in self._keys",
        f"{_HTTP}/test_cursors.py::TestACursor::test_with_any_bit_changed_is_refused",
    ),
    Guard(
        "a cursor is bound to its list, filter and user",
        "http/cursors.py",
        "if content[len(_FORMAT) : start] != bound_to:",
        "if False:",
        f"{_HTTP}/test_cursors.py::TestACursor::test_of_another_user_is_refused",
    ),
    Guard(
        "a cursor is bound to the order that it is a place in",
        "http/cursors.py",
        "json.dumps([self.scope, columns])",
        "json.dumps([self.scope])",
        f"{_HTTP}/test_cursors.py::TestACursor::test_of_another_order_is_refused",
    ),
    Guard(
        "an Idempotency-Key belongs to one content",
        "http/idempotency.py",
        "if bytes(found.request_hash) != self.request_hash:",
        "if False:",
        f"{_KEPT}::TestARequestWithAKey::test_and_other_content_is_refused",
    ),
    Guard(
        "the answer is kept in the transaction of its effect",
        "http/idempotency.py",
        "        await tx.execute(_KEEP, self._row(answer, secret=secret))\n",
        "",
        f"{_KEPT}::TestARequestWithAKey::test_sent_again_has_no_second_effect_and_the_same_answer",
    ),
    Guard(
        "two requests with one key at once: the second is told to wait, and does not hold a connection",
        "http/idempotency.py",
        'if not (await tx.execute(_LOCK, {"name": f"{self.user_id}/{self.key}"})).scalar_one():',
        "if False:",
        f"{_KEPT}::TestTwoRequestsWithOneKeyAtOnce::test_have_one_effect",
    ),
    Guard(
        "an answer with a secret is not kept",
        "http/idempotency.py",
        '"body": None if secret else body,',
        '"body": body,',
        f"{_KEPT}::TestAnAnswer::test_with_a_secret_is_not_kept",
    ),
    Guard(
        "what waits for a slow reader is bounded",
        "http/streams.py",
        "if self._waiting_bytes > MOST_WAITING_BYTES:",
        "if False:",
        f"{_HTTP}/test_streams.py::TestAnOutlet::test_is_bounded_and_sends_away_who_does_not_read",
    ),
    Guard(
        "what was replayed is not sent again when it also comes live",
        "http/streams.py",
        "if self._sent is not None and event.position <= self._sent:",
        "if False:",
        f"{_HTTP}/test_streams.py::TestAnOutlet::test_gives_nothing_twice_that_was_replayed",
    ),
    Guard(
        "a stream ends with its session",
        "http/streams.py",
        "if principal.session_id is not None and principal.session_id in self._revoked:",
        "if False:",
        f"{_HTTP}/test_streams.py::TestTheStreams::test_end_with_their_session",
    ),
    Guard(
        "a stream ends with the token that opened it",
        "http/streams.py",
        "elif moment >= principal.expires_at:",
        "elif False:",
        f"{_HTTP}/test_streams.py::TestTheStreams::test_end_with_the_token_that_opened_them",
    ),
    Guard(
        "who takes nothing is hung up on",
        "http/streams.py",
        "if quiet >= self._stalled:",
        "if False:",
        f"{_HTTP}/test_sse.py::TestACallerWhoDoesNotRead::test_is_hung_up_on_after_a_while",
    ),
    Guard(
        "a leaving process sends its streams elsewhere before it waits for them",
        "composition/api.py",
        "        streams.leave()\n",
        "",
        "tests/integration/http/test_streaming_process.py::TestAnApiProcess"
        "::test_that_leaves_sends_its_streams_elsewhere_and_waits_for_none",
    ),
    Guard(
        "what follows a body is no header",
        "http/connections.py",
        "def on_header(self",
        "def on_no_header(self",
        f"{_HTTP}/test_serving.py::TestFieldsAfterABody::test_are_no_headers",
    ),
    Guard(
        "what follows a body is bounded",
        "http/connections.py",
        "        self._useless_bytes += len(data)\n",
        "",
        f"{_HTTP}/test_serving.py::TestFieldsAfterABody::test_have_an_end",
    ),
    Guard(
        "what is left of a body that was answered comes in time",
        "http/connections.py",
        "elif self._is_answered():",
        "elif False:",
        f"{_HTTP}/test_serving.py::TestASlowCaller"
        "::test_who_was_answered_and_does_not_finish_the_body_is_hung_up_on",
    ),
)
