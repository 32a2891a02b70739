from datetime import datetime
from uuid import UUID

from calendar_sync_service.domain.categories import DEFAULTS
from calendar_sync_service.storage.categories import Category, insert_categories, insert_owner
from common.contracts.calendar import CategoriesCreated
from common.contracts.envelope import Event
from common.erasure import may_begin
from common.ids import NewId
from common.messaging.outbox import record
from common.postgres.engine import Transaction


async def create_default_categories(tx: Transaction, *, user_id: UUID, new_id: NewId, now: datetime) -> None:
    if not await may_begin(tx, user_id=user_id) or not await insert_owner(tx, user_id=user_id):
        return
    categories = [
        Category(id=new_id(), name=default.name, colour=default.colour, position=position)
        for position, default in enumerate(DEFAULTS)
    ]
    insert_categories(tx, categories, user_id=user_id)
    created = CategoriesCreated(user_id=user_id, names=tuple(category.name for category in categories))
    await record(tx, Event(id=new_id(), key=str(user_id), user_id=user_id, time=now, data=created))
