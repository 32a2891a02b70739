"""Sealing of what a database must hold and may not read (ADR 0016)."""

from common.crypto.cipher import CannotOpenError, Cipher, key_id_of
from common.crypto.columns import SealedColumn
from common.crypto.keys import KeysSettings, UnusableKeyError

__all__ = ["CannotOpenError", "Cipher", "KeysSettings", "SealedColumn", "UnusableKeyError", "key_id_of"]
