"""A service's own token for calling another one: fetched from auth, kept while it is good, fetched anew."""

import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Any

import httpx
import structlog

from common.errors import QuartetError, unavailable
from common.single_flight import SingleFlight

_log = structlog.get_logger("service_tokens")

_RENEW_AT = 0.8
"""Of its lifetime; from then on it is used only when there is no other."""
_LEAST_SECONDS = 5.0
"""Of a token's life that a request may take on its way."""


@dataclass(frozen=True)
class _Kept:
    token: str
    renew_at: float
    good_until: float


class ServiceTokenAuth(httpx.Auth):
    """`httpx.AsyncClient(auth=ServiceTokenAuth(…))`: every request carries a token for one service.

    A token that is refused is fetched anew, once a request: the signing keys may have been replaced.
    """

    def __init__(
        self,
        auth: httpx.AsyncClient,
        *,
        client_id: str,
        secret: str,
        audience: str,
        scope: str | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`auth` reaches auth's internal port; it belongs to whoever opened it."""
        self._auth = auth
        self._credentials = httpx.BasicAuth(client_id, secret)
        form = {"grant_type": "client_credentials", "audience": audience}
        self._form = form if scope is None else {**form, "scope": scope}
        self._monotonic = monotonic
        self._kept: _Kept | None = None
        self._flight = SingleFlight()

    async def token(self) -> str:
        """The same for everybody who asks at the same time."""
        kept = self._kept
        if kept is not None and self._monotonic() < kept.renew_at:
            return kept.token
        try:
            return await self._flight.run("token", self._fetch)
        except QuartetError:
            if kept is not None and self._monotonic() < kept.good_until:
                return kept.token
            raise

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        token = await self.token()
        request.headers["Authorization"] = f"Bearer {token}"
        answer = yield request
        if answer.status_code != 401:
            return
        self._forget(token)
        request.headers["Authorization"] = f"Bearer {await self.token()}"
        yield request

    def _forget(self, token: str) -> None:
        """Unless somebody has fetched another one meanwhile."""
        if self._kept is not None and self._kept.token == token:
            self._kept = None

    async def _fetch(self) -> str:
        try:
            answer = await self._auth.post("/oauth/token", data=self._form, auth=self._credentials)
            answer.raise_for_status()
            said: dict[str, Any] = answer.json()
            token, lifetime = str(said["access_token"]), float(said["expires_in"])
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            status = error.response.status_code if isinstance(error, httpx.HTTPStatusError) else None
            _log.warning("service_tokens.unavailable", error=type(error).__name__, status=status)
            raise unavailable("service_token.unavailable", "auth gives no token at this moment.") from error
        now = self._monotonic()
        self._kept = _Kept(
            token, renew_at=now + lifetime * _RENEW_AT, good_until=now + lifetime - _LEAST_SECONDS
        )
        return token
