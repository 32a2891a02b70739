from dataclasses import replace
from datetime import datetime
from uuid import UUID

from common.contracts.auth import UserRegistered
from common.contracts.envelope import Event
from common.contracts.profile import ProfileCreated
from common.ids import NewId
from common.messaging.outbox import record
from common.postgres.engine import Transaction
from profile_service.domain.fields import BY_COLUMN, NOTHING
from profile_service.domain.reading import Reading, RefusedError
from profile_service.storage.profiles import NewProfile, Profile, insert_profile, lock_profile
from profile_service.storage.public_profiles import publish
from profile_service.usecases.write_profile import write_profile


async def create_profile(
    tx: Transaction, registered: UserRegistered, *, now: datetime, new_id: NewId
) -> None:
    """Once: of an event that comes again, and of one that the user was faster than, only news is taken."""
    new = NewProfile(
        user_id=registered.user_id,
        display_name=_name(registered.full_name, now),
        timezone=registered.timezone,
        language=registered.language,
        account_version=registered.version,
    )
    if await make_profile(tx, new, now=now, new_id=new_id):
        return
    present = await lock_profile(tx, user_id=new.user_id)
    if present is None or present.account_version >= new.account_version:
        return
    said = present.values["display_name"]
    copied = replace(
        present, timezone=new.timezone, language=new.language, account_version=new.account_version
    )
    await write_profile(
        tx,
        copied,
        {**present.values, "display_name": new.display_name if said is None else said},
        now=now,
        new_id=new_id,
    )


async def own_profile(tx: Transaction, *, user_id: UUID, now: datetime, new_id: NewId) -> tuple[Profile, int]:
    """Locked, and made when the event is not there yet; with the version that its user could know."""
    found = await lock_profile(tx, user_id=user_id)
    if found is not None:
        return found, found.version
    made = await make_profile(tx, NewProfile(user_id), now=now, new_id=new_id)
    found = await lock_profile(tx, user_id=user_id)
    if found is None:
        raise LookupError("a profile that was made a moment ago is not there")
    return found, 0 if made else found.version


async def make_profile(tx: Transaction, new: NewProfile, *, now: datetime, new_id: NewId) -> bool:
    """The only way that a profile comes to be. False when the user has one already."""
    if not await insert_profile(tx, new, now=now):
        return False
    values = {**NOTHING, "display_name": new.display_name}
    await publish(tx, user_id=new.user_id, values=values, now=now)
    created = ProfileCreated(user_id=new.user_id, version=1)
    await record(tx, Event(id=new_id(), key=str(new.user_id), user_id=new.user_id, time=now, data=created))
    return True


def _name(full_name: str | None, now: datetime) -> str | None:
    """By the rule that the user's own words have; a name that breaks it is left out, the profile is not."""
    if full_name is None:
        return None
    try:
        return str(BY_COLUMN["display_name"].rule.read(full_name, Reading(today=now.date())))
    except RefusedError:
        return None
