"""What a request wants a profile to be: a whole document, or a merge patch on the one that is shown."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Query

from common.clock import Clock
from common.erasure import USER_ERASED
from common.errors import Kind
from common.http.documented import raises
from common.http.etag import Preconditions
from common.http.merge_patch import merge
from common.http.permissions import CurrentUser
from common.http.principals import Principal
from common.http.resources import UseClock, UseDatabase
from common.http.validation import invalid
from common.ids import new_id
from common.postgres.engine import Database
from profile_service.api.schemas import profile_document
from profile_service.domain.document import READ_ONLY, read_document
from profile_service.domain.fields import Values
from profile_service.domain.reading import DateFormat, Reading
from profile_service.storage.profiles import Profile
from profile_service.usecases.change_profile import Change, change_own_profile

Json = Any
Propose = Callable[[Profile], Values]


async def _reading(
    clock: UseClock,
    date_format: Annotated[
        DateFormat | None,
        Query(description="How dates in this request are written, where they could mean two days."),
    ] = None,
    region: Annotated[
        str | None,
        Query(
            pattern="^[A-Za-z]{2}$",
            description="Where numbers without a country's code are dialled; else the address's country.",
            examples=["DE"],
        ),
    ] = None,
) -> Reading:
    return Reading(clock().date(), date_format, region.upper() if region else None)


UseReading = Annotated[Reading, Depends(raises(Kind.INVALID, "request.invalid")(_reading))]


@dataclass(frozen=True)
class OwnProfile:
    user: Principal
    database: Database
    clock: Clock

    async def change(self, propose: Propose, conditions: Preconditions) -> Profile:
        change = Change(self.user.user_id, propose, conditions.check)
        return await change_own_profile(self.database, change, now=self.clock(), new_id=new_id)


@raises(Kind.NOT_FOUND, USER_ERASED)
async def _own_profile(user: CurrentUser, database: UseDatabase, clock: UseClock) -> OwnProfile:
    return OwnProfile(user, database, clock)


UseOwnProfile = Annotated[OwnProfile, Depends(_own_profile)]


def replacing(document: dict[str, Json], reading: Reading) -> Propose:
    def propose(profile: Profile) -> Values:
        return _read(document, profile, _shown(profile), reading)

    return propose


def merging(patch: dict[str, Json], reading: Reading) -> Propose:
    """Checked as the merged document; a read-only member cannot be removed, as it cannot be changed."""

    def propose(profile: Profile) -> Values:
        shown = _shown(profile)
        removed = dict.fromkeys(name for name in READ_ONLY if name in patch)
        return _read({**removed, **merge(shown, patch)}, profile, shown, reading)

    return propose


def _shown(profile: Profile) -> dict[str, Json]:
    return profile_document(profile)


def _read(document: dict[str, Json], profile: Profile, shown: dict[str, Json], reading: Reading) -> Values:
    found = read_document(document, kept=profile.values, read_only=shown, reading=reading)
    if found.faults:
        raise invalid(*found.faults)
    return found.values
