from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import asyncpg
import sqlalchemy as sa

from common.postgres.asking import put_off
from common.postgres.engine import Transaction
from common.postgres.trip import Step


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


_INSERT = """
    INSERT INTO categories (id, user_id, name, colour, position)
    SELECT id, $1, name, colour, position
    FROM unnest($2::uuid[], $3::text[], $4::text[], $5::integer[]) AS new (id, name, colour, position)
"""


def insert_categories(tx: Transaction, categories: Sequence[Category], *, user_id: UUID) -> None:
    rows = (
        [category.id for category in categories],
        [category.name for category in categories],
        [category.colour for category in categories],
        [category.position for category in categories],
    )
    put_off(tx, Step(_INSERT, (user_id, *rows)))


async def read_categories(connection: asyncpg.Connection, *, user_id: UUID) -> list[Category]:
    rows = await connection.fetch(
        "SELECT id, name, colour, position FROM categories WHERE user_id = $1 ORDER BY position, id", user_id
    )
    return [Category(**row) for row in rows]
