"""Going on as somebody else in the same transaction, where one decision needs rows of two kinds of role."""

import sqlalchemy as sa

from common.postgres.context import AsUser, role_name
from common.postgres.engine import Transaction

_BECOME = sa.text("SELECT set_config('role', :role, true), set_config('app.user_id', :user_id, true)")


async def become(tx: Transaction, service: str, as_user: AsUser) -> None:
    """The role and the user in one round trip; what a login may become is its membership."""
    user_id = "" if isinstance(as_user, str) else str(as_user)
    await tx.execute(_BECOME, {"role": role_name(service, as_user), "user_id": user_id})
