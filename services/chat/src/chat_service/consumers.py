from chat_service.storage.tables import SCHEMA
from chat_service.usecases.create_learner import create_learner
from common.clock import Clock
from common.contracts.auth import SessionRevoked, UserErased, UserRegistered
from common.contracts.envelope import Event
from common.contracts.erasure import ChatErased
from common.erasure import Erasing
from common.ids import NewId
from common.messaging.handlers import Handlers
from common.postgres.engine import Transaction
from common.revocation import remember_revoked


def build_handlers(new_id: NewId, clock: Clock) -> Handlers:
    async def user_registered(tx: Transaction, event: Event[UserRegistered]) -> None:
        await create_learner(tx, user_id=event.data.user_id, event_id=new_id(), now=clock())

    handlers = Handlers("chat")
    handlers.each(UserRegistered, user_registered)
    handlers.batch(UserErased, Erasing(SCHEMA, ChatErased, new_id, clock))
    handlers.batch(SessionRevoked, remember_revoked)
    return handlers
