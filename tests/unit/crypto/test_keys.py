import base64
import json
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from common.crypto import KeysSettings, UnusableKeyError
from common.crypto.keys import read_keys

OLD, NEW = bytes(range(32)), bytes(range(32, 64))


def text(key: bytes) -> str:
    return base64.b64encode(key).decode()


def keys(active: str = "2026-11", **values: str) -> KeysSettings:
    named = {key_id.replace("_", "-"): value for key_id, value in values.items()}
    return KeysSettings(encryption=SecretStr(json.dumps(named)), active=active)


class TestKeys:
    def test_come_from_the_environment(self):
        cipher = keys(**{"2026_11": text(NEW), "2025_11": text(OLD)}).cipher("production")

        assert (cipher.active, set(cipher.key_ids)) == ("2026-11", {"2026-11", "2025-11"})

    def test_come_from_a_file(self, tmp_path: Path):
        file = tmp_path / "keys.json"
        file.write_text(json.dumps({"2026-11": text(NEW)}) + "\n")

        assert KeysSettings(encryption_file=file, active="2026-11").ring("production") == {"2026-11": NEW}

    def test_come_from_one_place(self, tmp_path: Path):
        with pytest.raises(ValidationError, match="keep one of them"):
            KeysSettings(encryption=SecretStr("{}"), encryption_file=tmp_path, active="a")
        with pytest.raises(ValidationError, match="KEYS_ENCRYPTION is not set"):
            KeysSettings(active="a")

    @pytest.mark.parametrize("key_id", ["dev", "dev-1", "local-1", "Test", "example-2026"])
    def test_of_development_are_refused_in_production_and_nowhere_else(self, key_id: str):
        ring = KeysSettings(encryption=SecretStr(json.dumps({key_id: text(NEW)})), active=key_id)

        assert ring.ring("development") == ring.ring("test") == {key_id: NEW}
        with pytest.raises(UnusableKeyError, match=key_id):
            ring.ring("production")

    def test_without_randomness_are_refused_in_production(self):
        with pytest.raises(UnusableKeyError, match="2026-11 is one for development"):
            keys(**{"2026_11": text(b"a" * 32)}).cipher("production")

    def test_must_hold_the_one_that_seals(self):
        with pytest.raises(UnusableKeyError, match="key 2027 is not there: add it, or change KEYS_ACTIVE"):
            keys("2027", **{"2026_11": text(NEW)}).cipher("test")


class TestReadKeys:
    @pytest.mark.parametrize(
        ("given", "told"),
        [
            ("", "no JSON object"),
            ("hunter2", "no JSON object"),
            ('["hunter2"]', "no JSON object"),
            ("{}", "there is no key"),
            ('{"a": "hunter2!"}', "key a is no base64"),
            ('{"a": "hunter\u00e9="}', "key a is no base64"),
            ('{"a": 7}', "key a is no base64"),
            (json.dumps({"a": text(b"hunter2")}), "key a has 7 bytes instead of 32: make one with `openssl"),
            (json.dumps({"a": text(NEW[:16])}), "key a has 16 bytes instead of 32"),
            (json.dumps({"a": text(NEW), "b": text(NEW)}), "keys a and b are the same"),
            (f'{{"a": "{text(NEW)}", "a": "{text(OLD)}"}}', "key a is there twice"),
            (json.dumps({"": text(NEW)}), "an id is"),
            (json.dumps({"a b": text(NEW)}), "an id is"),
            (json.dumps({text(NEW): "a"}), "an id is"),
        ],
    )
    def test_refuses_what_does_not_fit_and_shows_no_key(self, given: str, told: str):
        with pytest.raises(UnusableKeyError) as refusal:
            read_keys(given)

        said = str(refusal.value)
        assert told in said
        assert [secret for secret in ("hunter", text(NEW), text(OLD)) if secret in said] == []

    def test_does_not_show_a_key_that_was_named_as_the_active_one(self):
        with pytest.raises(UnusableKeyError) as refusal:
            keys(text(NEW), **{"2026_11": text(NEW)}).cipher("test")

        assert text(NEW) not in str(refusal.value)
