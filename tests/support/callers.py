from datetime import UTC, datetime, timedelta
from uuid import UUID

from common.http.principals import Principal


class Callers:
    """Stands for the check of access tokens: a token is the id of its user, whose session has the same id."""

    def __init__(self) -> None:
        self.expires_at = datetime.now(UTC) + timedelta(minutes=10)

    async def principal(self, token: str) -> Principal:
        user_id = UUID(token)
        return Principal(user_id, user_id, self.expires_at)


def signed_in(user_id: UUID) -> dict[str, str]:
    return {"Authorization": f"Bearer {user_id}"}
