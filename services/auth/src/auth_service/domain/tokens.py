from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

ACCESS_TOKEN_LIFETIME = timedelta(minutes=10)


@dataclass(frozen=True)
class AccessClaims:
    user_id: UUID
    session_id: UUID
    token_id: UUID
    issuer: str
    audience: str
    issued_at: datetime
    expires_at: datetime

    def as_json(self) -> dict[str, str | int]:
        return {
            "iss": self.issuer,
            "aud": self.audience,
            "sub": str(self.user_id),
            "sid": str(self.session_id),
            "jti": str(self.token_id),
            "iat": int(self.issued_at.timestamp()),
            "exp": int(self.expires_at.timestamp()),
        }
