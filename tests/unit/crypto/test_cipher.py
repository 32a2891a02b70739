import base64

import pytest
from pydantic import SecretStr

from common.crypto import CannotOpenError, Cipher, UnusableKeyError, key_id_of

OLD, NEW = bytes(range(32)), bytes(range(32, 64))
PLACE = ("connections", "42", "refresh_token")


def setting(key: bytes) -> SecretStr:
    return SecretStr(base64.b64encode(key).decode())


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


class TestKeys:
    def test_of_development_are_refused_in_production(self):
        keys = {"dev-1": setting(NEW)}

        Cipher.from_settings(keys, active="dev-1", environment="development")
        with pytest.raises(UnusableKeyError, match="dev-1"):
            Cipher.from_settings(keys, active="dev-1", environment="production")

    def test_without_randomness_are_refused_in_production(self):
        with pytest.raises(UnusableKeyError):
            Cipher.from_settings({"2026": setting(b"a" * 32)}, active="2026", environment="production")

    @pytest.mark.parametrize(
        ("keys", "active"),
        [
            ({"a": SecretStr("not base64!")}, "a"),
            ({"a": setting(b"short")}, "a"),
            ({"a": setting(NEW)}, "b"),
            ({"": setting(NEW)}, ""),
        ],
    )
    def test_that_do_not_fit_are_refused_without_being_shown(self, keys: dict[str, SecretStr], active: str):
        with pytest.raises(UnusableKeyError) as refusal:
            Cipher.from_settings(keys, active=active, environment="development")

        assert all(key.get_secret_value() not in str(refusal.value) for key in keys.values())
