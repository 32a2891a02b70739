"""The keys that sign access tokens: the private half is stored sealed, the public half is everybody's."""

import json
import time
from collections.abc import Callable
from typing import Any, cast

from joserfc.jwk import ECKey

from auth_service.domain.key_rotation import KeyState
from auth_service.storage.signing_keys import SigningKeyRow, read_signing_keys
from auth_service.storage.tables import PRIVATE_SEALED
from common.crypto import Cipher
from common.errors import QuartetError
from common.postgres.context import Context
from common.postgres.engine import Database

LOOK_AGAIN_SECONDS = 30.0
"""Far less than a key that was followed by another stays published."""


class SigningKeys:
    """The active key is looked for again every now and then, so that a rotation needs no restart."""

    def __init__(
        self, database: Database, cipher: Cipher, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._database = database
        self._cipher = cipher
        self._monotonic = monotonic
        self._signing: ECKey | None = None
        self._read_at = 0.0

    async def signing(self) -> ECKey | None:
        if self._signing is None or self._monotonic() - self._read_at > LOOK_AGAIN_SECONDS:
            try:
                rows = await self._rows()
            except QuartetError:
                # a database that is away for a moment takes nobody's key away
                if self._signing is None:
                    raise
            else:
                self._signing = next((self._open(row) for row in rows if row.state is KeyState.ACTIVE), None)
            self._read_at = self._monotonic()
        return self._signing

    async def public(self) -> list[dict[str, Any]]:
        return [row.public_jwk for row in await self._rows()]

    async def key(self, kid: str) -> ECKey | None:
        """As the other services find it in the published set; asked of the database each time."""
        found = next((row.public_jwk for row in await self._rows() if row.kid == kid), None)
        return None if found is None else ECKey.import_key(cast("Any", found))

    async def _rows(self) -> list[SigningKeyRow]:
        async with self._database.transaction(as_user=Context.SHARED) as tx:
            return await read_signing_keys(tx)

    def _open(self, row: SigningKeyRow) -> ECKey | None:
        if row.private_sealed is None:
            return None
        place = PRIVATE_SEALED.place(row.kid)
        return ECKey.import_key(json.loads(self._cipher.open(row.private_sealed, place=place)))
