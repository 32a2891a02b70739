"""What each service holds of a user, asked at its internal port with a token that auth signs itself."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final
from uuid import UUID

import httpx
import structlog
from prometheus_client import Histogram

from common.errors import Kind, QuartetError, unavailable

_log = structlog.get_logger("exports")
_SECONDS: Final = 30.0
"""For all of one part; the service's own deadline is shorter."""
_MOST_BYTES: Final = 64 * 1024 * 1024
PART_SECONDS: Final = Histogram(
    "quartet_export_part_seconds",
    "How long a service took to tell its part of an export, by whether it did.",
    ["service", "outcome"],
)


class ServiceParts:
    def __init__(
        self,
        addresses: Mapping[str, str | None],
        *,
        clients: Callable[[], httpx.AsyncClient],
        token_for: Callable[[str], Awaitable[str]],
        seconds: float = _SECONDS,
        most_bytes: int = _MOST_BYTES,
    ) -> None:
        """By service where its internal port is; null for one that this installation does not have."""
        self._addresses = addresses
        self._clients = clients
        self._token_for = token_for
        self._seconds = seconds
        self._most_bytes = most_bytes

    async def part(self, service: str, user_id: UUID) -> bytes | None:
        address = self._addresses[service]
        if address is None:
            return None
        began, outcome = time.perf_counter(), "failed"
        try:
            async with asyncio.timeout(self._seconds):
                told = await self._ask(service, f"{address}/internal/v1/users/{user_id}/export")
            outcome = "told"
        except (httpx.HTTPError, TimeoutError) as error:
            raise _away(service, type(error).__name__) from None
        finally:
            PART_SECONDS.labels(service, outcome).observe(time.perf_counter() - began)
        return told

    async def _ask(self, service: str, url: str) -> bytes:
        headers = {"Authorization": f"Bearer {await self._token_for(service)}"}
        # the one limit is that of the whole: the client's own five seconds are short for a large part
        async with (
            self._clients() as client,
            client.stream("GET", url, headers=headers, timeout=None) as answer,
        ):
            if answer.status_code != 200:
                raise _away(service, str(answer.status_code))
            told = bytearray()
            async for piece in answer.aiter_bytes():
                told += piece
                if len(told) > self._most_bytes:
                    raise QuartetError(
                        "export.too_large",
                        f"What {service} tells has more than {self._most_bytes} bytes.",
                        kind=Kind.INVALID,
                    )
            return bytes(told)


def _away(service: str, why: str) -> QuartetError:
    """A refusal is no other thing: whoever mends the installation need not start the job anew."""
    _log.warning("export.service_silent", service=service, why=why)
    return unavailable("export.service_silent", f"{service} does not tell its part: {why}.")
