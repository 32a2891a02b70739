"""What auth's worker sees to every few minutes, beside what every worker does."""

from collections.abc import Sequence
from datetime import datetime

import structlog

from auth_service.domain.key_rotation import Rotation
from auth_service.settings import AuthWorkerSettings
from auth_service.usecases.clean_up import ask_for_clean_up
from auth_service.usecases.rotate_signing_keys import rotate_signing_keys
from common.housekeeping.loop import Task
from common.ids import new_id
from common.postgres.engine import Transaction

_log = structlog.get_logger("signing_keys")


def auth_tasks(settings: AuthWorkerSettings) -> Sequence[Task]:
    cipher = settings.keys.cipher(settings.environment)
    rotation = Rotation(every=settings.signing.rotate_every)

    async def rotate(tx: Transaction, now: datetime) -> bool:
        for step in await rotate_signing_keys(tx, cipher, rotation, now=now, new_id=new_id):
            _log.info("signing_keys.changed", kid=step.kid, state=step.state.value)
        return False

    return (Task("signing_keys", rotate), Task("clean_up", _clean_up))


async def _clean_up(tx: Transaction, _: datetime) -> bool:
    await ask_for_clean_up(tx)
    return False
