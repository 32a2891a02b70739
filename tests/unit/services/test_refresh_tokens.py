from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth_service.domain.macs import Macs
from auth_service.domain.refresh_tokens import Presented, RefreshToken, classified, read_refresh_token
from common.ids import new_id

MACS = Macs({"one": b"1" * 32}, active="one")
TOKEN = RefreshToken(user_id=new_id(), session_id=new_id(), counter=7)


class TestRefreshToken:
    def test_is_read_as_it_was_written(self):
        assert read_refresh_token(TOKEN.written(MACS), MACS) == TOKEN

    def test_of_one_counter_is_always_the_same(self):
        assert TOKEN.written(MACS) == TOKEN.written(MACS)
        assert TOKEN.written(MACS) != replace(TOKEN, counter=8).written(MACS)

    @given(st.integers(0, 79), st.characters(codec="utf-8"))
    def test_is_nothing_with_one_character_changed(self, at, character):
        written = TOKEN.written(MACS)
        changed = written[:at] + character + written[at + 1 :]

        assert changed == written or read_refresh_token(changed, MACS) is None

    @given(st.text())
    def test_is_not_what_somebody_made_up(self, text):
        assert read_refresh_token(text, MACS) is None
        assert read_refresh_token(f"qrt1_{text}", MACS) is None

    def test_of_another_installation_is_nothing(self):
        other = Macs({"one": b"2" * 32}, active="one")

        assert read_refresh_token(TOKEN.written(other), MACS) is None


class TestClassified:
    @pytest.mark.parametrize(
        ("presented", "current", "what"),
        [
            (5, 5, Presented.CURRENT),
            (4, 5, Presented.PREDECESSOR),
            (3, 5, Presented.STALE),
            (0, 5, Presented.STALE),
            (6, 5, Presented.AHEAD),
        ],
    )
    def test_tells_what_a_token_is_to_its_session(self, presented, current, what):
        assert classified(presented=presented, current=current) is what
