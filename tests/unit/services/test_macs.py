import pytest

from auth_service.domain.macs import Macs

OLD, NEW = b"o" * 32, b"n" * 32


class TestMacs:
    def test_know_what_they_tagged(self):
        macs = Macs({"new": NEW}, active="new")

        assert macs.fits(macs.tag("link", b"user", b"one"), "link", b"user", b"one")

    @pytest.mark.parametrize(
        ("purpose", "parts"),
        [
            ("other", (b"user", b"one")),
            ("link", (b"user", b"two")),
            ("link", (b"usero", b"ne")),
            ("link", (b"user",)),
        ],
    )
    def test_know_nothing_else(self, purpose, parts):
        macs = Macs({"new": NEW}, active="new")

        assert not macs.fits(macs.tag("link", b"user", b"one"), purpose, *parts)

    def test_still_know_what_an_older_key_tagged(self):
        tagged = Macs({"old": OLD}, active="old").tag("link", b"one")

        assert Macs({"old": OLD, "new": NEW}, active="new").fits(tagged, "link", b"one")
        assert not Macs({"new": NEW}, active="new").fits(tagged, "link", b"one")
