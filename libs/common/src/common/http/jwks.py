"""The public keys of access tokens, fetched from auth: kept, refreshed for new key ids, used when stale."""

import asyncio
import json
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol, cast

import httpx
import structlog
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from common.errors import QuartetError, unavailable

_log = structlog.get_logger("jwks")

FRESH_SECONDS = 300.0
COOL_DOWN_SECONDS = 10.0
"""Between two fetches that unknown key ids ask for: anybody can send tokens with invented ones."""
STALE_SECONDS = 3600.0
"""Longer than any access token lives: with auth away for so long nobody holds a valid one."""
_TIMEOUT_SECONDS = 2.0
_MOST_BYTES = 65_536


class PublicKeys(Protocol):
    async def key(self, kid: str) -> ECKey | None:
        """None for a key that does not exist; raises when that cannot be known."""
        ...


class JwksKeys:
    def __init__(
        self,
        url: str,
        *,
        tls: ssl.SSLContext | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = url
        # Proxies of the environment are for the outside world, not for a neighbour on an internal port.
        self._client = httpx.AsyncClient(
            verify=tls if tls is not None else ssl.create_default_context(),
            timeout=_TIMEOUT_SECONDS,
            trust_env=False,
            transport=transport,
        )
        self._now = now
        self._keys: dict[str, ECKey] = {}
        self._loaded_at: float | None = None
        self._asked_at: float | None = None
        self._answered = False
        """At the last fetch; a key that is new here may exist when there was no answer."""
        self._loading: asyncio.Task[bool] | None = None

    async def key(self, kid: str) -> ECKey | None:
        now = self._now()
        if self._loaded_at is None or now - self._loaded_at > STALE_SECONDS:
            if not await self._load():
                raise _keys_unavailable()
        elif now - self._loaded_at > FRESH_SECONDS and self._cooled_down(now):
            self._begin()
        found = self._keys.get(kid)
        if found is None and (self._is_loading or self._cooled_down(now)):
            await self._load()
            found = self._keys.get(kid)
        if found is None and not self._answered:
            raise _keys_unavailable()
        return found

    async def close(self) -> None:
        if self._loading is not None:
            self._loading.cancel()
            with suppress(asyncio.CancelledError):
                await self._loading
        await self._client.aclose()

    @property
    def _is_loading(self) -> bool:
        return self._loading is not None and not self._loading.done()

    def _cooled_down(self, now: float) -> bool:
        return self._asked_at is None or now - self._asked_at >= COOL_DOWN_SECONDS

    async def _load(self) -> bool:
        # Shielded: one caller who gives up does not take the answer from the others.
        return await asyncio.shield(self._begin())

    def _begin(self) -> asyncio.Task[bool]:
        """One fetch at a time, whoever asks."""
        if self._loading is None or not self._is_loading:
            self._asked_at = self._now()
            self._loading = asyncio.create_task(self._fetch(), name="fetch jwks")
        return self._loading

    async def _fetch(self) -> bool:
        try:
            keys = read_jwks(await self._content())
        except Exception as error:  # noqa: BLE001 - whatever is published there, known keys stay known
            _log.warning("jwks.unavailable", error=type(error).__name__)
            self._answered = False
            return False
        self._answered = True
        self._keys, self._loaded_at = keys, self._now()
        return True

    async def _content(self) -> bytes:
        content = b""
        async with self._client.stream("GET", self._url) as answer:
            answer.raise_for_status()
            async for part in answer.aiter_bytes():
                content += part
                if len(content) > _MOST_BYTES:
                    raise ValueError("the key set is too large")
        return content


def read_jwks(content: bytes) -> dict[str, ECKey]:
    """ES256 keys with an id; what else stands there is for others. None at all is an error, not an answer."""
    document = json.loads(content)
    listed = cast("dict[str, Any]", document).get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise ValueError("this is no key set")  # noqa: TRY004 - the caller knows ValueError
    keys: dict[str, ECKey] = {}
    for jwk in cast("list[object]", listed):
        key = _es256_key(cast("dict[str, Any]", jwk)) if isinstance(jwk, dict) else None
        if key is not None:
            # Two keys of one id: which of them is meant cannot be known, and the first was there before.
            keys.setdefault(str(key.kid), key)
    if not keys:
        raise ValueError("the key set holds no key for access tokens")
    return keys


def _es256_key(jwk: dict[str, Any]) -> ECKey | None:
    fits = jwk.get("kty") == "EC" and jwk.get("crv") == "P-256" and jwk.get("use", "sig") == "sig"
    public = {name: jwk.get(name) for name in ("kty", "crv", "x", "y", "kid")}
    complete = all(isinstance(member, str) for member in public.values())
    if not fits or not complete or jwk.get("alg", "ES256") != "ES256":
        return None
    try:
        return ECKey.import_key(cast("Any", public))
    except (JoseError, ValueError, TypeError) as error:
        # One that cannot be read takes nothing from the others.
        _log.warning("jwks.unreadable_key", kid=public["kid"], error=type(error).__name__)
        return None


def _keys_unavailable() -> QuartetError:
    return unavailable(
        "token.keys_unavailable", "Tokens cannot be checked at this moment; try again shortly."
    )
