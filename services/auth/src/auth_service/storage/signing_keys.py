from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from auth_service.domain.key_rotation import KeyState, KnownKey
from common.postgres.engine import Transaction


@dataclass(frozen=True)
class SigningKeyRow:
    kid: str
    public_jwk: dict[str, Any]
    private_sealed: bytes | None
    state: KeyState


async def read_signing_keys(tx: Transaction) -> list[SigningKeyRow]:
    """Those that anybody may still trust, the newest first."""
    rows = await tx.execute(
        sa.text("""
            SELECT kid, public_jwk, private_sealed, state FROM signing_keys
            WHERE state <> 'retired' ORDER BY created_at DESC, kid DESC
        """)
    )
    return [
        SigningKeyRow(row["kid"], row["public_jwk"], row["private_sealed"], KeyState(row["state"]))
        for row in rows.mappings()
    ]


async def lock_signing_keys(tx: Transaction) -> list[KnownKey]:
    """One rotates at a time: several workers may start at once."""
    await tx.execute(sa.text("SELECT pg_advisory_xact_lock(hashtextextended('auth.signing_keys', 0))"))
    rows = await tx.execute(
        sa.text("SELECT kid, state, changed_at FROM signing_keys ORDER BY created_at, kid")
    )
    return [KnownKey(row["kid"], KeyState(row["state"]), row["changed_at"]) for row in rows.mappings()]


async def insert_signing_key(tx: Transaction, key: SigningKeyRow, *, now: datetime) -> None:
    await tx.execute(
        sa.text("""
            INSERT INTO signing_keys (kid, public_jwk, private_sealed, state, created_at, changed_at)
            VALUES (:kid, :public_jwk, :private_sealed, :state, :now, :now)
        """).bindparams(sa.bindparam("public_jwk", type_=sa.JSON)),
        {**vars(key), "state": key.state.value, "now": now},
    )


async def set_key_state(tx: Transaction, *, kid: str, state: KeyState, now: datetime) -> None:
    """The private half of a key that signs no more and proves no more is erased."""
    await tx.execute(
        sa.text("""
            UPDATE signing_keys SET state = CAST(:state AS text), changed_at = :now,
                private_sealed = CASE WHEN CAST(:state AS text) = 'retired' THEN NULL ELSE private_sealed END
            WHERE kid = :kid
        """),
        {"kid": kid, "state": state.value, "now": now},
    )
