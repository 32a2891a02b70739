"""What other services of ours may know of users; the role sees these columns and no others."""

from collections.abc import Collection
from typing import Any, Final
from uuid import UUID

import asyncpg

from profile_service.storage.tables import SHOWN_TO_SERVICES

_READ: Final = f"SELECT {', '.join(SHOWN_TO_SERVICES)} FROM profiles WHERE user_id = ANY($1)"


async def read_for_services(
    connection: asyncpg.Connection, *, user_ids: Collection[UUID]
) -> dict[UUID, dict[str, Any]]:
    """By user, of those who have a profile; as a row by column."""
    return {row["user_id"]: dict(row) for row in await connection.fetch(_READ, list(user_ids))}
