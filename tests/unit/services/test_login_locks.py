from datetime import timedelta
from uuid import UUID

import pytest

from auth_service.domain.known_devices import KnownDevice, read_known_device
from auth_service.domain.login_locks import (
    FORGOTTEN_AFTER,
    FROM_A_NETWORK,
    ON_A_KNOWN_DEVICE,
    ON_THE_ACCOUNT,
    Patience,
    counters,
)
from auth_service.domain.macs import Macs

MACS = Macs({"test": b"k" * 32}, active="test")
OTHER = Macs({"test": b"o" * 32}, active="test")
ADA, GRACE, DEVICE = UUID(int=1), UUID(int=2), UUID(int=3)


class TestPatience:
    def test_lets_the_first_failures_pass_then_doubles_up_to_the_longest(self):
        patience = Patience(free=3, first=timedelta(seconds=10), longest=timedelta(seconds=50))

        waits = [patience.wait(failures) for failures in range(1, 8)]

        assert waits == [None, None, *(timedelta(seconds=s) for s in (10, 20, 40, 50, 50))]

    @pytest.mark.parametrize("patience", [FROM_A_NETWORK, ON_THE_ACCOUNT, ON_A_KNOWN_DEVICE])
    def test_never_asks_for_longer_than_failures_are_remembered(self, patience: Patience):
        assert patience.wait(2**31 - 1) == patience.longest < FORGOTTEN_AFTER

    def test_of_an_account_keeps_its_owner_waiting_for_a_quarter_of_an_hour_at_most(self):
        assert ON_THE_ACCOUNT.longest <= timedelta(minutes=15)


class TestCounters:
    def test_of_a_stranger_are_the_network_s_and_the_account_s(self):
        here = counters(MACS, email_norm="a@example.org", network="10.0.0.0/24", known_device=None)
        there = counters(MACS, email_norm="a@example.org", network="10.0.1.0/24", known_device=None)

        assert sorted(here.values(), key=str) == sorted((FROM_A_NETWORK, ON_THE_ACCOUNT), key=str)
        assert [here[who] for who in here.keys() & there.keys()] == [ON_THE_ACCOUNT]

    def test_of_a_known_device_are_shared_with_nobody(self):
        stranger = counters(MACS, email_norm="a@example.org", network="10.0.0.0/24", known_device=None)
        known = counters(MACS, email_norm="a@example.org", network="10.0.0.0/24", known_device=DEVICE)

        assert list(known.values()) == [ON_A_KNOWN_DEVICE]
        assert not stranger.keys() & known.keys()

    def test_say_nothing_to_who_has_no_key(self):
        mine = counters(MACS, email_norm="a@example.org", network=None, known_device=None)
        others = counters(OTHER, email_norm="a@example.org", network=None, known_device=None)

        assert not mine.keys() & others.keys()


class TestAKnownDevice:
    def test_is_read_as_it_was_written(self):
        device = KnownDevice(ADA, DEVICE)

        assert read_known_device(device.written(MACS), MACS) == device

    def test_is_known_where_it_was_made_only(self):
        assert read_known_device(KnownDevice(ADA, DEVICE).written(OTHER), MACS) is None

    def test_cannot_be_made_another_user_s(self):
        text = KnownDevice(ADA, DEVICE).written(MACS)
        swapped = KnownDevice(GRACE, DEVICE).written(MACS)[:27] + text[27:]

        assert read_known_device(swapped, MACS) is None

    @pytest.mark.parametrize("text", [None, "", "qd1_", "qd1_" + "A" * 64, "qd1_" + "é" * 64, "x" * 5000])
    def test_is_none_of_what_others_made_up(self, text: str | None):
        assert read_known_device(text, MACS) is None
