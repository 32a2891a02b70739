from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import asyncpg
import sqlalchemy as sa

from common.postgres.engine import Transaction


@dataclass(frozen=True)
class Category:
    id: UUID
    name: str
    colour: str
    position: int


async def insert_owner(tx: Transaction, *, user_id: UUID) -> bool:
    """The user's first row here; every other row of theirs refers to it. False when it is there already."""
    inserted = await tx.execute(
        sa.text("INSERT INTO calendar_owners (user_id) VALUES (:user_id) ON CONFLICT DO NOTHING"),
        {"user_id": user_id},
    )
    return inserted.rowcount == 1


async def insert_categories(tx: Transaction, categories: Sequence[Category], *, user_id: UUID) -> None:
    await tx.execute(
        sa.text("""
            INSERT INTO categories (id, user_id, name, colour, position)
            SELECT id, :user_id, name, colour, position
            FROM unnest(CAST(:ids AS uuid[]), CAST(:names AS text[]), CAST(:colours AS text[]),
                        CAST(:positions AS integer[])) AS new (id, name, colour, position)
        """),
        {
            "user_id": user_id,
            "ids": [category.id for category in categories],
            "names": [category.name for category in categories],
            "colours": [category.colour for category in categories],
            "positions": [category.position for category in categories],
        },
    )


async def read_categories(connection: asyncpg.Connection, *, user_id: UUID) -> list[Category]:
    rows = await connection.fetch(
        "SELECT id, name, colour, position FROM categories WHERE user_id = $1 ORDER BY position, id", user_id
    )
    return [Category(**row) for row in rows]
