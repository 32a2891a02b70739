from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg
import sqlalchemy as sa

from common.postgres.engine import Transaction


@dataclass(frozen=True)
class Profile:
    user_id: UUID
    full_name: str | None
    timezone: str | None
    language: str | None
    version: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class NewProfile:
    user_id: UUID
    full_name: str | None
    timezone: str | None
    language: str | None


async def insert_profile(tx: Transaction, profile: NewProfile) -> bool:
    """False when the user has one already."""
    inserted = await tx.execute(
        sa.text("""
            INSERT INTO profiles (user_id, full_name, timezone, language)
            VALUES (:user_id, :full_name, :timezone, :language)
            ON CONFLICT DO NOTHING
        """),
        vars(profile),
    )
    return inserted.rowcount == 1


async def read_profile(connection: asyncpg.Connection, *, user_id: UUID) -> Profile | None:
    row = await connection.fetchrow(
        """
        SELECT user_id, full_name, timezone, language, version, created_at, updated_at
        FROM profiles WHERE user_id = $1
        """,
        user_id,
    )
    return None if row is None else Profile(**row)
