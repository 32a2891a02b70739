import pytest

from common.crypto import CannotOpenError, Cipher, key_id_of
from common.crypto.cipher import header_of

OLD, NEW = bytes(range(32)), bytes(range(32, 64))
PLACE = ("connections", "42", "refresh_token")


@pytest.fixture
def cipher() -> Cipher:
    return Cipher({"2026-11": NEW, "2025-11": OLD}, active="2026-11")


class TestSealing:
    def test_opens_in_its_own_place(self, cipher: Cipher):
        sealed = cipher.seal(b"secret", place=PLACE)

        assert cipher.open(sealed, place=PLACE) == b"secret"
        assert b"secret" not in sealed

    @pytest.mark.parametrize(
        "elsewhere",
        [
            ("connections", "43", "refresh_token"),
            ("connections", "42", "access_token"),
            ("users", "42", "refresh_token"),
            ("connections4", "2", "refresh_token"),
            ("connections", "42r", "efresh_token"),
        ],
    )
    def test_does_not_open_elsewhere(self, cipher: Cipher, elsewhere: tuple[str, str, str]):
        sealed = cipher.seal(b"secret", place=PLACE)

        with pytest.raises(CannotOpenError):
            cipher.open(sealed, place=elsewhere)

    def test_never_gives_the_same_bytes_twice(self, cipher: Cipher):
        assert cipher.seal(b"secret", place=PLACE) != cipher.seal(b"secret", place=PLACE)

    def test_notices_every_changed_byte(self, cipher: Cipher):
        sealed = cipher.seal(b"secret", place=PLACE)

        for index in range(len(sealed)):
            changed = bytearray(sealed)
            changed[index] ^= 1
            with pytest.raises(CannotOpenError):
                cipher.open(bytes(changed), place=PLACE)

    def test_notices_every_missing_end(self, cipher: Cipher):
        sealed = cipher.seal(b"secret", place=PLACE)

        for length in range(len(sealed)):
            with pytest.raises(CannotOpenError):
                cipher.open(sealed[:length], place=PLACE)


class TestRotation:
    def test_opens_what_an_older_key_sealed(self, cipher: Cipher):
        sealed = Cipher({"2025-11": OLD}, active="2025-11").seal(b"secret", place=PLACE)

        assert cipher.open(sealed, place=PLACE) == b"secret"
        assert key_id_of(sealed) == "2025-11"
        assert not cipher.is_current(sealed)
        assert cipher.is_current(cipher.seal(b"secret", place=PLACE))

    def test_says_which_key_is_gone(self, cipher: Cipher):
        sealed = Cipher({"2024-11": OLD}, active="2024-11").seal(b"secret", place=PLACE)

        with pytest.raises(CannotOpenError, match="2024-11"):
            cipher.open(sealed, place=PLACE)


class TestNonces:
    def test_are_all_different(self, cipher: Cipher):
        header = len(header_of("2026-11"))
        sealed = (cipher.seal(b"", place=PLACE) for _ in range(20_000))

        assert len({one[header : header + 12] for one in sealed}) == 20_000


class TestRing:
    @pytest.mark.parametrize("length", [0, 16, 24, 31, 33])
    def test_takes_no_key_of_another_length(self, length: int):
        with pytest.raises(ValueError, match="32 bytes"):
            Cipher({"short": bytes(length)}, active="short")
