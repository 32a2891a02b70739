"""The keys that sign access tokens: the private half is stored sealed, the public half is everybody's."""

import json
from typing import Any

from joserfc.jwk import ECKey

from auth_service.storage.signing_keys import SigningKeyRow, insert_first_signing_key, read_signing_keys
from auth_service.storage.tables import PRIVATE_SEALED
from common.crypto import Cipher
from common.postgres.context import Context
from common.postgres.engine import Database


async def ensure_signing_key(database: Database, cipher: Cipher) -> bool:
    """True when this call made the first key."""
    key = ECKey.generate_key("P-256", {"use": "sig", "alg": "ES256"}, auto_kid=True)
    row = SigningKeyRow(
        kid=key.kid or "",
        public_jwk=dict(key.as_dict(private=False)),
        private_sealed=cipher.seal(
            json.dumps(key.as_dict(private=True)).encode(), place=PRIVATE_SEALED.place(key.kid)
        ),
        state="active",
    )
    async with database.transaction(as_user=Context.SYSTEM) as tx:
        return await insert_first_signing_key(tx, row)


class SigningKeys:
    """Read when first needed and kept: the active key signs."""

    def __init__(self, database: Database, cipher: Cipher) -> None:
        self._database = database
        self._cipher = cipher
        self._signing: ECKey | None = None

    async def signing(self) -> ECKey | None:
        if self._signing is None:
            active = [row for row in await self._rows() if row.state == "active"]
            self._signing = self._open(active[0]) if active else None
        return self._signing

    async def public(self) -> list[dict[str, Any]]:
        return [row.public_jwk for row in await self._rows()]

    async def _rows(self) -> list[SigningKeyRow]:
        async with self._database.transaction(as_user=Context.SHARED) as tx:
            return await read_signing_keys(tx)

    def _open(self, row: SigningKeyRow) -> ECKey | None:
        if row.private_sealed is None:
            return None
        place = PRIVATE_SEALED.place(row.kid)
        return ECKey.import_key(json.loads(self._cipher.open(row.private_sealed, place=place)))
