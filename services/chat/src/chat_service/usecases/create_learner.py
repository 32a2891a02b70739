from datetime import datetime
from uuid import UUID

from chat_service.domain.weeks import week_start
from chat_service.storage.usage import insert_learner, open_week
from common.contracts.chat import LearnerCreated
from common.contracts.envelope import Event
from common.erasure import may_begin
from common.messaging.outbox import record
from common.postgres.engine import Transaction


async def create_learner(tx: Transaction, *, user_id: UUID, event_id: UUID, now: datetime) -> None:
    if not await may_begin(tx, user_id=user_id) or not await insert_learner(tx, user_id=user_id):
        return
    open_week(tx, user_id=user_id, week=week_start(now))
    created = LearnerCreated(user_id=user_id)
    await record(tx, Event(id=event_id, key=str(user_id), user_id=user_id, time=now, data=created))
