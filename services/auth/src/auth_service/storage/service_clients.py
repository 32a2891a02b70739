from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from common.postgres.engine import Transaction


@dataclass(frozen=True)
class ServiceClientRow:
    client_id: str
    audiences: list[str]
    scopes: list[str]
    is_active: bool
    created_at: datetime
    secret_hash: bytes


_COLUMNS = "client_id, audiences, scopes, is_active, created_at, secret_hash"


async def find_service_client(tx: Transaction, *, client_id: str) -> ServiceClientRow | None:
    found = await tx.execute(
        sa.text(f"SELECT {_COLUMNS} FROM service_clients WHERE client_id = :client_id"),
        {"client_id": client_id},
    )
    row = found.mappings().one_or_none()
    return None if row is None else ServiceClientRow(**row)


async def list_service_clients(tx: Transaction) -> list[ServiceClientRow]:
    found = await tx.execute(sa.text(f"SELECT {_COLUMNS} FROM service_clients ORDER BY client_id"))
    return [ServiceClientRow(**row) for row in found.mappings()]


async def insert_service_client(
    tx: Transaction,
    *,
    client_id: str,
    secret_hash: bytes,
    audiences: Iterable[str],
    scopes: Iterable[str],
    now: datetime,
) -> bool:
    """False when there is one of this name, disabled or not."""
    inserted = await tx.execute(
        sa.text("""
            INSERT INTO service_clients (client_id, secret_hash, audiences, scopes, created_at)
            VALUES (:client_id, :secret_hash, :audiences, :scopes, :now)
            ON CONFLICT DO NOTHING
        """),
        {
            "client_id": client_id,
            "secret_hash": secret_hash,
            "audiences": sorted(audiences),
            "scopes": sorted(scopes),
            "now": now,
        },
    )
    return inserted.rowcount == 1


async def disable_service_client(tx: Transaction, *, client_id: str) -> bool:
    """False when there is none that is active."""
    disabled = await tx.execute(
        sa.text("""
            UPDATE service_clients SET is_active = false WHERE client_id = :client_id AND is_active
        """),
        {"client_id": client_id},
    )
    return disabled.rowcount == 1
