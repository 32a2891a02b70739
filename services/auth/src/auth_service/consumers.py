from collections.abc import Sequence

from auth_service.usecases.confirm_erasure import confirm_erasure
from common.clock import Clock
from common.contracts.envelope import Event
from common.contracts.erasure import CalendarErased, ChatErased, ErasureConfirmation, ProfileErased
from common.ids import NewId
from common.messaging.handlers import Handlers
from common.postgres.engine import Transaction


def build_handlers(_: NewId, clock: Clock) -> Handlers:
    async def service_erased(tx: Transaction, events: Sequence[Event[ErasureConfirmation]]) -> None:
        await confirm_erasure(tx, events, now=clock())

    handlers = Handlers("auth")
    for confirmation in (ProfileErased, CalendarErased, ChatErased):
        handlers.batch(confirmation, service_erased)
    return handlers
