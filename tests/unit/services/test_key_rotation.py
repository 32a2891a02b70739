from datetime import UTC, datetime, timedelta

import pytest

from auth_service.domain.key_rotation import KeyState, KnownKey, Rotation, Step, next_steps, replacement

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
ROTATION = Rotation()
LONG, SHORT = timedelta(days=90), timedelta(minutes=1)


def key(kid: str, state: KeyState, *, since: timedelta) -> KnownKey:
    return KnownKey(kid, state, NOW - since)


class TestRotation:
    def test_begins_with_a_key_that_signs_at_once(self):
        assert next_steps([], ROTATION, now=NOW) == [Step(KeyState.ACTIVE)]

    def test_does_nothing_while_nothing_is_due(self):
        keys = [key("a", KeyState.ACTIVE, since=SHORT), key("b", KeyState.RETIRING, since=SHORT)]

        assert next_steps(keys, ROTATION, now=NOW) == []

    @pytest.mark.parametrize(("since", "asked"), [(LONG, False), (SHORT, True)])
    def test_publishes_a_new_key_before_it_signs(self, since, asked):
        keys = [key("a", KeyState.ACTIVE, since=since)]

        assert next_steps(keys, ROTATION, now=NOW, asked=asked) == [Step(KeyState.PENDING)]

    def test_waits_until_everybody_has_seen_the_new_one(self):
        keys = [key("a", KeyState.ACTIVE, since=LONG), key("b", KeyState.PENDING, since=SHORT)]

        assert next_steps(keys, ROTATION, now=NOW, asked=True) == []

    def test_then_lets_it_follow(self):
        keys = [key("a", KeyState.ACTIVE, since=LONG), key("b", KeyState.PENDING, since=LONG)]

        assert next_steps(keys, ROTATION, now=NOW) == [
            Step(KeyState.RETIRING, "a"),
            Step(KeyState.ACTIVE, "b"),
        ]

    def test_keeps_the_former_one_published_while_its_tokens_live(self):
        keys = [
            key("a", KeyState.RETIRING, since=timedelta(minutes=14)),
            key("b", KeyState.ACTIVE, since=SHORT),
        ]

        assert next_steps(keys, ROTATION, now=NOW) == []

    def test_and_erases_it_after_that(self):
        keys = [
            key("a", KeyState.RETIRING, since=timedelta(minutes=15)),
            key("b", KeyState.ACTIVE, since=SHORT),
        ]

        assert next_steps(keys, ROTATION, now=NOW) == [Step(KeyState.RETIRED, "a")]


class TestReplacement:
    def test_leaves_nothing_of_what_was_there(self):
        keys = [
            key("a", KeyState.RETIRED, since=LONG),
            key("b", KeyState.RETIRING, since=SHORT),
            key("c", KeyState.ACTIVE, since=SHORT),
            key("d", KeyState.PENDING, since=SHORT),
        ]

        assert replacement(keys) == [
            Step(KeyState.RETIRED, "b"),
            Step(KeyState.RETIRED, "c"),
            Step(KeyState.RETIRED, "d"),
            Step(KeyState.ACTIVE),
        ]
