"""What auth's worker sees to every few minutes, beside what every worker does."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog
from prometheus_client import Gauge

from auth_service.domain.key_rotation import Rotation
from auth_service.settings import AuthWorkerSettings
from auth_service.storage.erasures import oldest_open, tell_again
from auth_service.usecases.clean_up import ask_for_clean_up
from auth_service.usecases.remove_exports import ask_to_remove_expired
from auth_service.usecases.rotate_signing_keys import rotate_signing_keys
from common.contracts.envelope import Event
from common.housekeeping.loop import Task
from common.ids import new_id
from common.messaging.outbox import record
from common.postgres.engine import Transaction

_log = structlog.get_logger("signing_keys")
TELL_AGAIN_AFTER = timedelta(hours=6)
"""A service that has not confirmed may have lost the event with its cluster; being told twice is harmless."""
OLDEST_ERASURE = Gauge(
    "quartet_erasures_oldest_open_seconds",
    "How long the oldest erasure has waited for a service that has not confirmed it.",
)


def auth_tasks(settings: AuthWorkerSettings) -> Sequence[Task]:
    cipher = settings.keys.cipher(settings.environment)
    rotation = Rotation(every=settings.signing.rotate_every)

    async def rotate(tx: Transaction, now: datetime) -> bool:
        for step in await rotate_signing_keys(tx, cipher, rotation, now=now, new_id=new_id):
            _log.info("signing_keys.changed", kid=step.kid, state=step.state.value)
        return False

    return (
        Task("signing_keys", rotate),
        Task("clean_up", _clean_up),
        Task("erasures", look_at_erasures),
        Task("exports", ask_to_remove_expired),
    )


async def look_at_erasures(tx: Transaction, now: datetime) -> bool:
    for erased in await tell_again(tx, told_before=now - TELL_AGAIN_AFTER, now=now):
        key = str(erased.user_id)
        await record(tx, Event(id=new_id(), key=key, user_id=erased.user_id, time=now, data=erased))
    asked_at = await oldest_open(tx)
    OLDEST_ERASURE.set(0 if asked_at is None else (now - asked_at).total_seconds())
    return False


async def _clean_up(tx: Transaction, _: datetime) -> bool:
    await ask_for_clean_up(tx)
    return False
