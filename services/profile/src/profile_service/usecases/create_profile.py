from dataclasses import replace
from datetime import datetime
from uuid import UUID

from common.contracts.auth import UserRegistered
from common.contracts.envelope import Event
from common.contracts.profile import ProfileCreated
from common.erasure import may_begin, user_erased
from common.ids import NewId
from common.messaging.outbox import record
from common.postgres.engine import Transaction
from profile_service.domain.completeness import COMPLETE, completeness
from profile_service.domain.fields import BY_COLUMN, NOTHING
from profile_service.domain.reading import Reading, RefusedError
from profile_service.storage.profiles import Profile, insert_profile, lock_profile
from profile_service.storage.public_profiles import publish
from profile_service.usecases.write_profile import tell_completed, write_profile


async def create_profile(
    tx: Transaction, registered: UserRegistered, *, now: datetime, new_id: NewId
) -> None:
    """Once: of an event that comes again, and of one that the user was faster than, only news is taken."""
    new = Profile(
        registered.user_id,
        values={**NOTHING, "display_name": _name(registered.full_name, now)},
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
    values = {
        **present.values,
        "display_name": new.values["display_name"] if said is None else said,
    }
    await write_profile(tx, copied, values, now=now, new_id=new_id)


async def own_profile(tx: Transaction, *, user_id: UUID, now: datetime, new_id: NewId) -> Profile:
    """Locked, and made when the event is not there yet."""
    found = await lock_profile(tx, user_id=user_id)
    if found is None:
        found = await make_profile(tx, Profile(user_id), now=now, new_id=new_id)
    return found or await profile_of_another(tx, user_id=user_id)


async def profile_of_another(tx: Transaction, *, user_id: UUID) -> Profile:
    """Locked: what somebody made while this transaction wanted to; of an erased user nobody made one."""
    found = await lock_profile(tx, user_id=user_id)
    if found is None:
        raise user_erased()
    return found


async def make_profile(tx: Transaction, new: Profile, *, now: datetime, new_id: NewId) -> Profile | None:
    """The only way that a profile comes to be. None when the user has one already, or was erased."""
    if not await may_begin(tx, user_id=new.user_id):
        return None
    completed_at = now if completeness(new.values).score == COMPLETE else None
    made = replace(new, version=1, created_at=now, updated_at=now, completed_at=completed_at)
    if not await insert_profile(tx, made):
        return None
    publish(tx, user_id=made.user_id, values=made.values, now=now)
    created = ProfileCreated(user_id=made.user_id, version=made.version)
    await record(tx, Event(id=new_id(), key=str(made.user_id), user_id=made.user_id, time=now, data=created))
    if completed_at is not None:
        await tell_completed(tx, made, now=now, new_id=new_id)
    return made


def _name(full_name: str | None, now: datetime) -> str | None:
    """By the rule that the user's own words have; a name that breaks it is left out, the profile is not."""
    if full_name is None:
        return None
    try:
        return str(BY_COLUMN["display_name"].rule.read(full_name, Reading(today=now.date())))
    except RefusedError:
        return None
