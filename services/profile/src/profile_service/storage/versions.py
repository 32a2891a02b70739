"""By which names the versions of a user's rows are known outside of the database."""

from collections.abc import Sequence
from uuid import UUID

from common.postgres.engine import Transaction, changed


def profile_name(user_id: UUID) -> str:
    return f"profile:{user_id}"


def public_name(user_id: UUID) -> str:
    return f"public:{user_id}"


def preferences_name(user_id: UUID) -> str:
    return f"preferences:{user_id}"


async def all_changed(tx: Transaction, user_ids: Sequence[UUID]) -> None:
    """Of users whose rows are gone."""
    for name in (profile_name, public_name, preferences_name):
        for user_id in user_ids:
            changed(tx, name(user_id))
