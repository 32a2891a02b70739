"""Many merges at once, against a model that is told them one after the other."""

import asyncio
from datetime import UTC, datetime
from random import Random
from typing import Any

from common.ids import new_id
from profile_service.api.proposals import merging
from profile_service.api.schemas import profile_document
from profile_service.domain.reading import Reading
from profile_service.storage.profiles import Profile
from profile_service.usecases.change_profile import Change, change_own_profile
from tests.support.databases import Databases

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
MERGES = 1000
AT_ONCE = 2
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


def seen(profile: Profile) -> dict[str, Any]:
    answer = profile_document(profile)
    address = answer["address"] or {}
    return {
        **{name: answer[name] for name in NAMES},
        "address": {name: address.get(name) for name in IN_ADDRESS},
    }


class TestMergesOfManyDevices:
    async def test_end_as_if_they_had_come_one_after_the_other(self, databases: Databases):
        """Past HTTP, which would be most of its time: what is merged, checked and stored is the api's own."""
        database, ada = databases("profile", "api"), new_id()
        random, model, version = Random(20261122), Model(), 1

        async def merged(patch: dict[str, Any]) -> Profile:
            change = Change(ada, merging(patch, Reading(NOW.date())), check_version=lambda _: None)
            return await change_own_profile(database, change, now=NOW, new_id=new_id)

        await merged({})
        for first in range(0, MERGES, AT_ONCE):
            patches = [patch(random, first + number) for number in range(AT_ONCE)]
            async with asyncio.timeout(30):
                profiles = await asyncio.gather(*map(merged, patches))
            for profile, one in sorted(zip(profiles, patches, strict=True), key=lambda pair: pair[0].version):
                model.merge(one)
                version += 1
                assert (profile.version, seen(profile)) == (version, model.shown())
