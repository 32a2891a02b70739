"""From a registration to its profile in another service, when nothing else happens; hashing excluded."""

import asyncio
import time

import asyncpg
import uvloop

from auth_service.domain.passwords import HashingCost, Passwords
from bench._report import at_most, median, report
from bench._stack import PASSWORD, gateway, register
from quartet_cli.stack import Stack

USERS = 100
PAUSE_SECONDS, FIRST_LOOK_SECONDS, LOOK_SECONDS = 0.5, 0.02, 0.004
"""Until the services that heard of the one before have nothing to do any more; before the first look, which
takes a core from them as each does; and between looks."""

_SEEN = """
    SELECT EXISTS (SELECT FROM profile.profiles p JOIN auth.users u ON u.id = p.user_id WHERE u.email = $1)
"""


def hash_seconds(passwords: Passwords) -> float:
    began = time.perf_counter()
    passwords.hash(PASSWORD)
    return time.perf_counter() - began


async def main() -> None:
    stack = Stack.current()
    root = await asyncpg.connect(stack.postgres_url("postgres", "quartet"))
    answered: list[float] = []
    visible: list[float] = []
    hashed: list[float] = []
    passwords = Passwords(HashingCost())
    async with gateway(stack) as client:
        for _ in range(5):
            await register(client)
        for _ in range(USERS):
            # in the midst of the pause, each time: how fast the machine hashes changes within seconds
            await asyncio.sleep(PAUSE_SECONDS / 2)
            hashed.append(hash_seconds(passwords))
            await asyncio.sleep(PAUSE_SECONDS / 2)
            began = time.perf_counter()
            email = await register(client)
            answered.append(time.perf_counter() - began)
            await asyncio.sleep(FIRST_LOOK_SECONDS)
            while not await root.fetchval(_SEEN, email):  # noqa: ASYNC110 - it is the database that knows
                await asyncio.sleep(LOOK_SECONDS)
            visible.append(time.perf_counter() - began)
    await root.close()
    hashing = median(hashed)
    without = sorted(1000 * (all_of_it - one) for all_of_it, one in zip(visible, hashed, strict=True))
    rows = {
        "answered": sorted(1000 * seconds for seconds in answered),
        "visible in profile": sorted(1000 * seconds for seconds in visible),
        "visible, hashing excluded": without,
    }
    report(
        "registration",
        f"POST /auth/register through the gateway until its profile is visible, {USERS} users one by one",
        [
            {
                "what": what,
                "p50 ms": round(median(values), 1),
                "p95 ms": round(values[int(len(values) * 0.95)], 1),
                "max ms": round(values[-1], 1),
                "goal": at_most(median(values), 50) if values is without else "",
            }
            for what, values in rows.items()
        ],
        goal="p50 of the last row at most 50 ms",
        hashing_ms=round(1000 * hashing, 1),
    )


if __name__ == "__main__":
    uvloop.run(main())
