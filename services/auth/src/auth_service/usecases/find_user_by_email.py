from uuid import UUID

from auth_service.domain.email import parse_email
from auth_service.storage.users import find_user_id, read_user_state
from common.http.legacy import UserByEmail
from common.postgres.engine import Database


def users_by_email(database: Database) -> UserByEmail:
    """For older tokens, which may name their user so: only accounts that may sign in are found."""

    async def user_by_email(text: str) -> UUID | None:
        address = parse_email(text)
        if address is None:
            return None
        user_id = await find_user_id(database, email_norm=address.compared)
        if user_id is None:
            return None
        async with database.transaction(as_user=user_id) as tx:
            state = await read_user_state(tx, user_id=user_id)
        return user_id if state is not None and state.is_active and state.is_verified else None

    return user_by_email
