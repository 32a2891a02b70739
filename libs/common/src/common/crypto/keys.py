"""The ring of keys as a process is told it: several may open, one seals."""

import base64
import binascii
import json
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Self, cast

from pydantic import BaseModel, SecretStr, model_validator

from common.crypto.cipher import KEY_BYTES, Cipher
from common.settings import Environment

_DEVELOPMENT: Final = ("dev", "local", "test", "example")
"""How the ids of keys begin that somebody may have seen; production refuses them."""
_FEWEST_BYTES: Final = 16
"""Of 32 random bytes some 30 are different; fewer than half never."""
_MAKE_ONE: Final = "make one with `openssl rand -base64 32`"
_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,32}")


class UnusableKeyError(ValueError):
    """Keys must not be used; says which, why and what to do, never a value."""


class KeysSettings(BaseModel):
    encryption: SecretStr | None = None
    """JSON of key ids and 32 bytes in base64 each; what was sealed with an older one still opens."""
    encryption_file: Path | None = None
    """The same JSON in a file."""
    active: str
    """The id of the key that seals."""

    @model_validator(mode="after")
    def _comes_from_one_place(self) -> Self:
        if self.encryption is None and self.encryption_file is None:
            raise ValueError("KEYS_ENCRYPTION is not set: set it, or KEYS_ENCRYPTION_FILE")
        if self.encryption is not None and self.encryption_file is not None:
            raise ValueError("KEYS_ENCRYPTION and KEYS_ENCRYPTION_FILE are both set: keep one of them")
        return self

    @property
    def source(self) -> str:
        return "KEYS_ENCRYPTION" if self.encryption_file is None else "KEYS_ENCRYPTION_FILE"

    def cipher(self, environment: Environment) -> Cipher:
        return Cipher(self.ring(environment), active=self.active)

    def ring(self, environment: Environment) -> dict[str, bytes]:
        """`UnusableKeyError` for keys that do not fit, `OSError` for a file that cannot be read."""
        text = "" if self.encryption is None else self.encryption.get_secret_value()
        if self.encryption_file is not None:
            text = self.encryption_file.read_text()
        keys = read_keys(text)
        if environment == "production":
            _refuse_known_keys(keys)
        if not _ID.fullmatch(self.active):
            raise UnusableKeyError("KEYS_ACTIVE is no id of a key; it is not shown, because it may be a key")
        if self.active not in keys:
            raise UnusableKeyError(f"key {self.active} is not there: add it, or change KEYS_ACTIVE")
        return keys


def read_keys(text: str) -> dict[str, bytes]:
    pairs = _pairs(text)
    if not pairs:
        raise UnusableKeyError('there is no key: write {"<id>": "<32 bytes in base64>"}')
    for key_id, _ in pairs:
        if not _ID.fullmatch(key_id):
            raise UnusableKeyError(
                "an id is 1 to 32 letters, digits, '.', '_' or '-'; this one is not shown, as it may be a key"
            )
    twice = [key_id for key_id, number in Counter(key_id for key_id, _ in pairs).items() if number > 1]
    if twice:
        raise UnusableKeyError(f"key {twice[0]} is there twice: give each key an id of its own")
    keys = {key_id: _key(key_id, value) for key_id, value in pairs}
    _refuse_same_keys(keys)
    return keys


def _pairs(text: str) -> list[tuple[str, object]]:
    """Not a dictionary at once: that would keep the last of two keys of one id and say nothing."""
    try:
        found: object = json.loads(text, object_pairs_hook=list)
    except ValueError:
        found = None
    pairs = cast("list[object]", found) if isinstance(found, list) else [found]
    if not all(isinstance(pair, tuple) for pair in pairs):
        raise UnusableKeyError('it is no JSON object: write {"<id>": "<32 bytes in base64>"}')
    return cast("list[tuple[str, object]]", pairs)


def _key(key_id: str, value: object) -> bytes:
    try:
        key = base64.b64decode(value, validate=True) if isinstance(value, str) else None
    except (binascii.Error, ValueError):
        key = None
    if key is None:
        raise UnusableKeyError(f"key {key_id} is no base64: {_MAKE_ONE}")
    if len(key) != KEY_BYTES:
        raise UnusableKeyError(f"key {key_id} has {len(key)} bytes instead of {KEY_BYTES}: {_MAKE_ONE}")
    return key


def _refuse_same_keys(keys: Mapping[str, bytes]) -> None:
    first_of: dict[bytes, str] = {}
    for key_id, key in keys.items():
        other = first_of.setdefault(key, key_id)
        if other != key_id:
            raise UnusableKeyError(f"keys {other} and {key_id} are the same: {_MAKE_ONE}")


def _refuse_known_keys(keys: Mapping[str, bytes]) -> None:
    for key_id, key in keys.items():
        if key_id.lower().startswith(_DEVELOPMENT) or len(set(key)) < _FEWEST_BYTES:
            raise UnusableKeyError(f"key {key_id} is one for development: {_MAKE_ONE} and give it another id")
