"""Who still comes with tokens of the older system: once a day for each user, in the service's audit log."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from common.http.legacy import Used
from common.ids import derived_id
from common.postgres.engine import Database

ACTION = "token.legacy_used"

# The id is made of user and day: whichever process comes second finds the row there.
_WRITE = sa.text("""
    INSERT INTO audit_log (id, actor, action, user_id) VALUES (:id, :actor, :action, :user_id)
    ON CONFLICT DO NOTHING
""")


def written_down(database: Database) -> Used:
    async def used(user_id: UUID, now: datetime) -> None:
        day = now.replace(hour=0, minute=0, second=0, microsecond=0)
        async with database.transaction(as_user=user_id) as tx:
            await tx.execute(
                _WRITE,
                {
                    "id": derived_id(day, f"{ACTION} {user_id}"),
                    "actor": f"user:{user_id}",
                    "action": ACTION,
                    "user_id": user_id,
                },
            )

    return used
