from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from auth_service.domain.exports import EXPORT_KEPT
from auth_service.storage.exports import EXPORT_JOB, Export, export_at_work, insert_export
from auth_service.storage.users import lock_user
from auth_service.usecases.export_files import ExportFiles
from common.audit import audit
from common.ids import NewId
from common.jobs.enqueue import enqueue
from common.postgres.engine import Database, Transaction


async def ask_for_export(
    database: Database,
    files: ExportFiles,
    *,
    user_id: UUID,
    now: datetime,
    new_id: NewId,
    randomness: Callable[[int], bytes],
) -> Export | None:
    """The one that is being made already, or a new one; None when the account is closed or gone.

    The user's lock is what two who ask at once take turns by.
    """

    async def use_case(tx: Transaction) -> Export | None:
        state = await lock_user(tx, user_id=user_id)
        if state is None or not state.is_active:
            return None
        present = await export_at_work(tx, user_id=user_id, now=now)
        if present is not None:
            return present
        export_id = new_id()
        key_sealed = files.new_key(export_id, randomness)
        await insert_export(
            tx,
            export_id=export_id,
            user_id=user_id,
            key_sealed=key_sealed,
            now=now,
            until=now + EXPORT_KEPT,
        )
        await enqueue(tx, EXPORT_JOB, dedupe_key=str(export_id), user_id=user_id, arguments={})
        await audit(
            tx,
            entry_id=new_id(),
            action="export.asked",
            user_id=user_id,
            data={"export_id": str(export_id)},
        )
        return await export_at_work(tx, user_id=user_id, now=now)

    return await database.in_transaction(user_id, use_case)
