"""A process that is told to leave says so first, serves on for a while, and then lets nobody in."""

import asyncio
import signal

import httpx
import pytest

from tests.support.gateway import Newcomer
from tests.support.instances import Instance, beside
from tests.support.parts import probe
from tests.support.waiting import eventually

pytestmark = pytest.mark.usefixtures("everything_is_well")

DELAY_SECONDS = 5.0
GRACE_SECONDS = 30.0


class TestLeaving:
    async def test_is_told_at_once_then_served_on_then_nobody_is_let_in(self, stack, gateway):
        ada = await gateway.newcomer()
        settings = {"DRAIN_DELAY_SECONDS": str(DELAY_SECONDS), "DRAIN_GRACE_SECONDS": str(GRACE_SECONDS)}
        async with (
            beside(stack, "profile", "api", **settings) as leaver,
            httpx.AsyncClient(base_url=leaver.url, trust_env=False) as client,
        ):
            await eventually(lambda: served(client, ada), within=20)
            told_at = asyncio.get_running_loop().time()
            leaver.send(signal.SIGTERM)
            await eventually(lambda: unready(leaver), within=DELAY_SECONDS / 2)

            # half of the delay is left: these callers have not heard of the leaving yet
            known = await client.get("/api/v1/profile/me", headers=ada.authorization)
            new = await fresh_connection(leaver)
            alive = await probe(leaver.probe_url, "livez")
            seen: set[int | None] = set()
            await eventually(lambda: refused(leaver, seen), within=DELAY_SECONDS + 10)
            code = await leaver.ended()
            took = asyncio.get_running_loop().time() - told_at

        assert (known.status_code, known.headers["Connection"]) == (200, "close")
        assert (new, alive) == (404, 200)
        # to the end, when its probe port closes too
        assert seen <= {200, None}
        assert code == 0
        assert took < GRACE_SECONDS


async def unready(instance: Instance) -> bool:
    return await probe(instance.probe_url, "readyz") == 503


async def refused(instance: Instance, livez: set[int | None]) -> bool:
    """Nobody new is let in; notes what `livez` says meanwhile."""
    livez.add(await probe(instance.probe_url, "livez"))
    return await fresh_connection(instance) is None


async def served(client: httpx.AsyncClient, who: Newcomer) -> bool:
    return (await client.get("/api/v1/profile/me", headers=who.authorization)).status_code == 200


async def fresh_connection(instance: Instance) -> int | None:
    """The answer to somebody who comes for the first time; None when the port is closed."""
    return await probe(instance.url, "nothing-is-served-here")
