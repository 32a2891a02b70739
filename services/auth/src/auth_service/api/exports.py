import os
from collections.abc import AsyncGenerator
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from auth_service.api.limits import EXPORT, EXPORT_FILE
from auth_service.api.resources import UseResources
from auth_service.api.users import CurrentUser
from auth_service.domain.errors import account_gone, export_not_found
from auth_service.domain.exports import MEDIA_TYPE
from auth_service.storage.exports import Export, read_export
from auth_service.usecases.ask_for_export import ask_for_export
from auth_service.usecases.fetch_export import begin_fetching, zipped
from common.blobs.store import STORAGE_CODE
from common.contracts.topics import SERVICES
from common.errors import Kind
from common.http.documented import raises
from common.http.limited import per_user
from common.http.permissions import require_fresh
from common.http.timestamps import Timestamp

router = APIRouter(prefix="/me/exports", tags=["accounts"])

FRESH_SECONDS: Final = 300
ExportId = Annotated[UUID, Field(description="As the answer to the request told it.")]
_ZIP: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "A ZIP: `export.json` says what is in it, beside it is a file for each service.",
        "content": {
            MEDIA_TYPE: {
                "schema": {"type": "string", "format": "binary"},
                "example": "the bytes of a ZIP, as they lie in its file",
            }
        },
    }
}


class ServicePart(BaseModel):
    service: str = Field(description="Which service.", examples=["profile"])
    state: Literal["waiting", "told", "absent"] = Field(
        description="`absent` where this installation does not have the service."
    )
    told_at: Timestamp | None = Field(description="When it told what it holds.")


class Progress(BaseModel):
    done: int = Field(description="Services that nobody waits for any more.", examples=[3])
    total: int = Field(description="All services.", examples=[4])


class ExportAnswer(BaseModel):
    id: UUID = Field(description="The export's.")
    state: Literal["making", "ready", "failed"] = Field(
        description="After `failed` another one may be asked for."
    )
    progress: Progress = Field(description="It never goes back.")
    services: list[ServicePart] = Field(description="Each of them.")
    asked_at: Timestamp = Field(description="When it was asked for.")
    ready_at: Timestamp | None = Field(description="Since when it can be fetched.")
    expires_at: Timestamp = Field(description="When it is gone: seven days after it was ready.")


@router.post(
    "",
    status_code=202,
    summary="Ask for all that is kept of the caller",
    dependencies=[require_fresh(FRESH_SECONDS), per_user(EXPORT)],
)
@raises(Kind.UNAUTHENTICATED, "account.gone")
async def post_export(
    request: Request, response: Response, user: CurrentUser, resources: UseResources
) -> ExportAnswer:
    """While one is being made, the answer is that one. Its user is told by mail when it is ready."""
    export = await ask_for_export(
        resources.database,
        resources.export_files,
        user_id=user.user_id,
        now=resources.clock(),
        new_id=resources.new_id,
        randomness=os.urandom,
    )
    if export is None:
        raise account_gone()
    response.headers["Location"] = f"{request.url.path}/{export.id}"
    return _told(export)


@router.get("/{export_id}", summary="How far an export is")
@raises(Kind.NOT_FOUND, "export.not_found")
async def get_export(export_id: ExportId, user: CurrentUser, resources: UseResources) -> ExportAnswer:
    async with resources.database.transaction(as_user=user.user_id) as tx:
        export = await read_export(tx, export_id=export_id, user_id=user.user_id, now=resources.clock())
    if export is None:
        raise export_not_found()
    return _told(export)


@router.get(
    "/{export_id}/file",
    summary="The export itself",
    response_class=Response,
    responses=_ZIP,
    dependencies=[require_fresh(FRESH_SECONDS), per_user(EXPORT_FILE)],
)
@raises(Kind.NOT_FOUND, "export.not_found")
@raises(Kind.CONFLICT, "export.not_ready")
@raises(Kind.UNAVAILABLE, STORAGE_CODE)
async def get_export_file(export_id: ExportId, user: CurrentUser, resources: UseResources) -> Response:
    """Each time is a line of the user's own log. The length is not known before it is sent."""
    export = await begin_fetching(
        resources.database,
        export_id=export_id,
        user_id=user.user_id,
        now=resources.clock(),
        new_id=resources.new_id,
    )
    pieces = zipped(resources.export_files, export)
    # before anything is answered: a storage that is away is an error, not half a file
    first = await anext(pieces)
    name = f"quartet-export-{export.asked_at:%Y-%m-%d}.zip"
    return StreamingResponse(
        _all(first, pieces),
        media_type=MEDIA_TYPE,
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


async def _all(first: bytes, others: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    yield first
    async for piece in others:
        yield piece


def _told(export: Export) -> ExportAnswer:
    return ExportAnswer(
        id=export.id,
        state="ready" if export.ready_at else "making" if export.is_at_work else "failed",
        progress=Progress(done=len(export.parts), total=len(SERVICES)),
        services=[_part(export, service) for service in SERVICES],
        asked_at=export.asked_at,
        ready_at=export.ready_at,
        expires_at=export.expires_at,
    )


def _part(export: Export, service: str) -> ServicePart:
    told_at = export.parts.get(service)
    state = "told" if told_at else "absent" if service in export.parts else "waiting"
    return ServicePart.model_validate({"service": service, "state": state, "told_at": told_at})
