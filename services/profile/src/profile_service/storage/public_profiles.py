from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg
import sqlalchemy as sa

from common.postgres.engine import Transaction, changed
from profile_service.domain.fields import PUBLIC, Values
from profile_service.storage.versions import public_name

_COLUMNS: Final = tuple(field.column for field in PUBLIC)
# What is private changes nothing here, not even the version.
_PUBLISH: Final = sa.text(f"""
    INSERT INTO public_profiles AS shown (user_id, {", ".join(_COLUMNS)}, updated_at)
    VALUES (:user_id, {", ".join(f":{column}" for column in _COLUMNS)}, :now)
    ON CONFLICT (user_id) DO UPDATE SET
        {", ".join(f"{column} = excluded.{column}" for column in _COLUMNS)},
        version = shown.version + 1, updated_at = excluded.updated_at
    WHERE ({", ".join(f"shown.{column}" for column in _COLUMNS)})
        IS DISTINCT FROM ({", ".join(f"excluded.{column}" for column in _COLUMNS)})
""")


@dataclass(frozen=True)
class PublicProfile:
    user_id: UUID
    values: Values
    version: int


async def publish(tx: Transaction, *, user_id: UUID, values: Values, now: datetime) -> None:
    shown = {column: values[column] for column in _COLUMNS}
    changed(tx, public_name(user_id))
    await tx.execute(_PUBLISH, {**shown, "user_id": user_id, "now": now})


async def read_public_profile(connection: asyncpg.Connection, *, user_id: UUID) -> PublicProfile | None:
    row = await connection.fetchrow(
        f"SELECT {', '.join(_COLUMNS)}, version FROM public_profiles WHERE user_id = $1", user_id
    )
    if row is None:
        return None
    return PublicProfile(user_id, {column: row[column] for column in _COLUMNS}, row["version"])
