from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from common.postgres.asking import put_off
from common.postgres.context import Context
from common.postgres.engine import Database, Transaction, changed
from common.postgres.one_trip import in_one_trip
from common.postgres.trip import Step
from profile_service.domain.fields import PUBLIC, Values
from profile_service.storage.versions import public_name

_COLUMNS: Final = tuple(field.column for field in PUBLIC)
_READ: Final = f"SELECT version, {', '.join(_COLUMNS)} FROM public_profiles WHERE user_id = $1"
# What is private changes nothing here, not even the version.
_PUBLISH: Final = f"""
    INSERT INTO public_profiles AS shown (user_id, updated_at, {", ".join(_COLUMNS)})
    VALUES ($1, $2, {", ".join(f"${number}" for number, _ in enumerate(_COLUMNS, start=3))})
    ON CONFLICT (user_id) DO UPDATE SET
        {", ".join(f"{column} = excluded.{column}" for column in _COLUMNS)},
        version = shown.version + 1, updated_at = excluded.updated_at
    WHERE ({", ".join(f"shown.{column}" for column in _COLUMNS)})
        IS DISTINCT FROM ({", ".join(f"excluded.{column}" for column in _COLUMNS)})
"""


@dataclass(frozen=True)
class PublicProfile:
    user_id: UUID
    values: Values
    version: int


def publish(tx: Transaction, *, user_id: UUID, values: Values, now: datetime) -> None:
    changed(tx, public_name(user_id))
    put_off(tx, Step(_PUBLISH, (user_id, now, *(values[column] for column in _COLUMNS))))


async def read_public_profile(database: Database, *, user_id: UUID) -> PublicProfile | None:
    """In a transaction of its own."""
    rows = await in_one_trip(database, _READ, user_id, as_user=Context.SHARED)
    if not rows:
        return None
    version, *values = rows[0]
    return PublicProfile(user_id, dict(zip(_COLUMNS, values, strict=True)), version)
