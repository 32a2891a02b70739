"""`GET /internal/v1/users/{user_id}/export` of every service: its part of what a user may take along."""

from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from common.audit import audit
from common.export import Export, read_export
from common.http.permissions import require_service_scope
from common.http.principals import ServicePrincipal
from common.http.resources import UseClock, UseDatabase
from common.http.timestamps import Timestamp
from common.ids import new_id
from common.postgres.engine import Transaction

SCOPE: Final = "users:export"
CurrentExporter = Annotated[ServicePrincipal, require_service_scope(SCOPE)]


class ExportAnswer(BaseModel):
    service: str = Field(description="Whose part this is.", examples=["profile"])
    user_id: UUID = Field(description="Whose data it is.")
    exported_at: Timestamp = Field(description="When it was read, in UTC.")
    data: dict[str, list[dict[str, Any]]] = Field(
        description="Rows by what they are; all lists are empty for a user of whom nothing is held.",
        examples=[{"log": [{"at": "2026-11-22T10:00:00.123+00:00", "action": "user.exported", "data": {}}]}],
    )


def export_router(service: str, export: Export) -> APIRouter:
    router = APIRouter(prefix="/users", tags=["internal"])

    @router.get("/{user_id}/export", summary="What is held of one user, for that user")
    async def get_export(
        request: Request, user_id: UUID, caller: CurrentExporter, database: UseDatabase, clock: UseClock
    ) -> ExportAnswer:
        """No hash and no key is in it. Each reading is a line of the user's own log."""

        async def use_case(tx: Transaction) -> dict[str, Any]:
            await audit(
                tx,
                entry_id=new_id(),
                actor=f"service:{caller.client_id}",
                action="user.exported",
                user_id=user_id,
                data={},
            )
            return dict(await read_export(tx, export, user_id=user_id))

        data = await database.in_transaction(user_id, use_case)
        if export.beside is not None:
            await export.beside(request.app.state, user_id, data)
        return ExportAnswer(service=service, user_id=user_id, exported_at=clock(), data=data)

    return router
