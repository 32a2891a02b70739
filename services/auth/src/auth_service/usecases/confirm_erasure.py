from collections.abc import Sequence
from datetime import datetime

from auth_service.storage.erasures import confirm
from common.contracts.envelope import Event
from common.contracts.erasure import ErasureConfirmation
from common.contracts.topics import USERS
from common.erasure import unpark
from common.postgres.engine import Transaction

CONFIRMING = USERS.listeners
"""Whoever hears that a user was erased says when it holds nothing of them any more."""


async def confirm_erasure(
    tx: Transaction, events: Sequence[Event[ErasureConfirmation]], *, now: datetime
) -> None:
    """Of one service, as system; told twice, the first time counts."""
    times = {event.data.user_id: event.data.erased_at for event in reversed(events)}
    service = events[0].data.topic.service
    await confirm(tx, service=service, services=CONFIRMING, times=times, now=now)
    await unpark(tx, sorted(times))
