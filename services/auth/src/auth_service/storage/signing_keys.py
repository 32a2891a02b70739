from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from common.postgres.engine import Transaction


@dataclass(frozen=True)
class SigningKeyRow:
    kid: str
    public_jwk: dict[str, Any]
    private_sealed: bytes | None
    state: str


async def read_signing_keys(tx: Transaction) -> list[SigningKeyRow]:
    """Newest first, those that are no longer trusted left out: the active one signs, all of them verify."""
    rows = await tx.execute(
        sa.text("""
            SELECT kid, public_jwk, private_sealed, state FROM signing_keys
            WHERE state <> 'retired' ORDER BY created_at DESC, kid DESC
        """)
    )
    return [SigningKeyRow(**row) for row in rows.mappings()]


async def insert_first_signing_key(tx: Transaction, key: SigningKeyRow) -> bool:
    """False when there is one already: several workers may start at once."""
    await tx.execute(sa.text("SELECT pg_advisory_xact_lock(hashtextextended('auth.signing_keys', 0))"))
    inserted = await tx.execute(
        sa.text("""
            INSERT INTO signing_keys (kid, public_jwk, private_sealed, state)
            SELECT :kid, :public_jwk, :private_sealed, :state WHERE NOT EXISTS (SELECT FROM signing_keys)
        """).bindparams(sa.bindparam("public_jwk", type_=sa.JSON)),
        vars(key),
    )
    return inserted.rowcount == 1
