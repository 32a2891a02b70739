"""Tokens of the older system: HS256, no key id, `sub` an id or an e-mail. Off unless a secret is set.

Which check a token gets is chosen by its header before anything is verified, and each check has one key and
one algorithm. The secret never meets a token that names a published key, and no published key meets HS256.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from uuid import UUID

from joserfc.jwk import OctKey
from prometheus_client import Counter

from common.errors import QuartetError
from common.http.principals import Principal
from common.http.signed import check_times, malformed, moment, refused, signed_claims
from common.settings import LegacySettings

ALGORITHM = "HS256"
_SUPERSEDED = datetime(2026, 11, 1, tzinfo=UTC)
"""Since when there are access tokens of the newer kind."""
_HEADER = frozenset({"alg", "typ"})
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,255}")

SEEN = Counter(
    "quartet_legacy_tokens_total",
    "Requests with a token of the older system, by what became of them.",
    ["outcome"],
)

UserByEmail = Callable[[str], Awaitable[UUID | None]]
Used = Callable[[UUID, datetime], Awaitable[None]]
"""Writes down that a user still comes with such a token."""


def is_legacy(header: Mapping[str, object]) -> bool:
    return header.get("alg") == ALGORITHM and header.get("typ", "JWT") == "JWT" and header.keys() <= _HEADER


class LegacyTokens:
    """What they may do is set here, whatever they say of roles and scopes; after the sunset they end."""

    def __init__(
        self,
        secret: str,
        *,
        sunset: datetime,
        scopes: frozenset[str] = frozenset(),
        user_by_email: UserByEmail | None = None,
        used: Used | None = None,
    ) -> None:
        self._key = OctKey.import_key(secret)
        self._sunset = sunset
        self._scopes = scopes
        self._user_by_email = user_by_email
        self._used = used
        self.notice = (
            (b"deprecation", f"@{int(_SUPERSEDED.timestamp())}".encode()),
            (b"sunset", format_datetime(sunset.astimezone(UTC), usegmt=True).encode()),
        )
        """Headers that tell a client when such a token ends (RFC 9745, RFC 8594)."""

    async def principal(self, token: str, now: datetime) -> Principal:
        try:
            if now >= self._sunset:
                raise refused("token.legacy_ended", "Tokens of this kind are no longer taken; sign in again.")
            return await self._principal(token, now)
        except QuartetError as error:
            SEEN.labels(error.code.removeprefix("token.")).inc()
            raise

    async def _principal(self, token: str, now: datetime) -> Principal:
        claims = signed_claims(token, self._key, ALGORITHM)
        check_times(claims, now)
        principal = Principal(
            user_id=await self._user(claims.get("sub")),
            session_id=None,
            expires_at=min(moment(claims, "exp"), self._sunset),
            scopes=self._scopes,
        )
        if self._used is not None and now < principal.expires_at:
            await self._used(principal.user_id, now)
        return principal

    async def _user(self, subject: object) -> UUID:
        if not isinstance(subject, str):
            malformed()
        try:
            return UUID(subject)
        except ValueError:
            if _EMAIL.fullmatch(subject) is None:
                malformed()
        user_id = None if self._user_by_email is None else await self._user_by_email(subject)
        if user_id is None:
            raise refused("token.legacy_subject", "The token names its user in a way that is not known here.")
        return user_id


def legacy_tokens(
    settings: LegacySettings, *, user_by_email: UserByEmail | None = None, used: Used | None = None
) -> LegacyTokens | None:
    if settings.secret is None or settings.sunset is None:
        return None
    return LegacyTokens(
        settings.secret.get_secret_value(),
        sunset=settings.sunset,
        scopes=frozenset(settings.scopes),
        user_by_email=user_by_email,
        used=used,
    )


def count_accepted() -> None:
    SEEN.labels("accepted").inc()
