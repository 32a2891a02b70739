"""Many merges at once, against a model that is told them one after the other."""

import asyncio
import os
from random import Random
from typing import Any

from common.ids import new_id

MERGES = 1000 if os.environ.get("QUARTET_TEST_LONG") else 200
AT_ONCE = 4
NAMES = ("display_name", "first_name", "last_name", "pronouns", "bio")
IN_ADDRESS = ("line1", "city", "region")


def some(random: Random) -> str | None:
    return random.choice([None, "x", "y", "z"])


def patch(random: Random, number: int) -> dict[str, Any]:
    """Each changes something, so that versions tell their order."""
    found: dict[str, Any] = {name: some(random) for name in random.sample(NAMES[1:], random.randint(0, 2))}
    found["display_name"] = f"{number}"
    if random.random() < 0.5:
        inside = {name: some(random) for name in random.sample(IN_ADDRESS, random.randint(1, 2))}
        found["address"] = random.choice([inside, inside, None])
    return found


class Model:
    """What RFC 7396 says, for two levels."""

    def __init__(self) -> None:
        self.top: dict[str, str | None] = dict.fromkeys(NAMES)
        self.address: dict[str, str | None] = dict.fromkeys(IN_ADDRESS)

    def merge(self, patch: dict[str, Any]) -> None:
        for name, value in patch.items():
            if name != "address":
                self.top[name] = value
            elif value is None:
                self.address = dict.fromkeys(IN_ADDRESS)
            else:
                self.address |= value

    def shown(self) -> dict[str, Any]:
        return {**self.top, "address": dict(self.address)}


def seen(answer: dict[str, Any]) -> dict[str, Any]:
    address = answer["address"] or {}
    return {
        **{name: answer[name] for name in NAMES},
        "address": {name: address.get(name) for name in IN_ADDRESS},
    }


class TestMergesOfManyDevices:
    async def test_end_as_if_they_had_come_one_after_the_other(self, profile_app):
        random, model = Random(20261122), Model()
        version = 1
        async with profile_app.client(new_id()) as client:
            await client.patch("/me", json={})
            for first in range(0, MERGES, AT_ONCE):
                patches = [patch(random, first + number) for number in range(AT_ONCE)]
                async with asyncio.timeout(30):
                    answers = await asyncio.gather(*(client.patch("/me", json=one) for one in patches))
                order = sorted(zip(answers, patches, strict=True), key=lambda one: one[0].json()["version"])
                for answer, one in order:
                    model.merge(one)
                    version += 1
                    assert (answer.json()["version"], seen(answer.json())) == (version, model.shown())
