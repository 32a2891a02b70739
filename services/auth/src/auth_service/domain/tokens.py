from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from common.http.principals import Acr

ACCESS_TOKEN_LIFETIME = timedelta(minutes=10)
USER_SCOPE = "account profile calendar chat"
"""What a user's own sign-in lets a client do: everything that is theirs."""


@dataclass(frozen=True)
class AccessClaims:
    user_id: UUID
    session_id: UUID
    token_id: UUID
    issuer: str
    audience: str
    issued_at: datetime
    auth_time: datetime
    amr: tuple[str, ...]
    acr: Acr
    role: str
    """Only roles beyond that of a user are told: nobody needs to be told that a user is one."""

    def as_json(self) -> dict[str, Any]:
        return {
            "iss": self.issuer,
            "aud": self.audience,
            "sub": str(self.user_id),
            "sid": str(self.session_id),
            "jti": str(self.token_id),
            "scope": USER_SCOPE,
            "roles": [] if self.role == "user" else [self.role],
            "amr": list(self.amr),
            "acr": self.acr.value,
            "auth_time": int(self.auth_time.timestamp()),
            "iat": int(self.issued_at.timestamp()),
            "exp": int((self.issued_at + ACCESS_TOKEN_LIFETIME).timestamp()),
        }
