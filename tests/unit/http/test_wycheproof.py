"""ES256 before the signatures of Project Wycheproof: edge cases of the curve, and what others took."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import ECKey

from common.errors import QuartetError
from common.http.signed import ALGORITHM, signed_claims
from tests.support.tokens import b64, claims

FILE = Path(__file__).parent / "wycheproof" / "ecdsa_secp256r1_sha256_p1363_test.json"


@dataclass(frozen=True)
class Vector:
    number: int
    key: ECKey
    message: bytes
    signature: bytes
    is_valid: bool

    @property
    def is_accepted(self) -> bool:
        """By what checks the signatures of tokens."""
        return jws.default_registry.get_alg(ALGORITHM).verify(self.message, self.signature, self.key)


def read_vectors() -> Iterator[Vector]:
    groups: list[dict[str, Any]] = json.loads(FILE.read_text())["testGroups"]
    for group in groups:
        key = ECKey.import_key(group["publicKeyPem"])
        for one in group["tests"]:
            yield Vector(
                one["tcId"],
                key,
                bytes.fromhex(one["msg"]),
                bytes.fromhex(one["sig"]),
                one["result"] == "valid",
            )


VECTORS = tuple(read_vectors())


class TestSignatures:
    def test_that_are_not_valid_are_refused_all(self):
        invalid = [vector for vector in VECTORS if not vector.is_valid]

        assert len(invalid) == 89
        assert [vector.number for vector in invalid if vector.is_accepted] == []

    def test_that_are_valid_are_taken_all(self):
        valid = [vector for vector in VECTORS if vector.is_valid]

        assert len(valid) == 173
        assert [vector.number for vector in valid if not vector.is_accepted] == []

    def test_of_something_else_open_nothing_on_a_token(self):
        """Whatever their numbers are: each is refused as a problem, none is an error."""
        said = f"{b64(json.dumps({'alg': ALGORITHM}).encode())}.{b64(json.dumps(claims()).encode())}"
        codes: set[str] = set()
        for vector in VECTORS:
            with pytest.raises(QuartetError) as refusal:
                signed_claims(f"{said}.{b64(vector.signature)}", vector.key, ALGORITHM)
            codes.add(refusal.value.code)

        assert codes <= {"token.bad_signature", "token.malformed"}
