from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, create_model

from common.http.permissions import require_service_scope
from common.http.principals import ServicePrincipal
from common.http.resources import UseDatabase
from common.postgres.context import Context
from profile_service.api.schemas import ServiceProfile
from profile_service.storage.service_profiles import read_for_services

router = APIRouter(prefix="/profiles", tags=["internal"])

SCOPE: Final = "profiles:read"
MOST: Final = 200
"""Of ids in one request; whoever needs more asks again."""
CurrentReader = Annotated[ServicePrincipal, require_service_scope(SCOPE)]


class BatchRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    user_ids: list[UUID] = Field(
        min_length=1,
        max_length=MOST,
        description="Whose profiles; one that is asked for twice is answered once.",
        examples=[["019aa0b1-7c00-7c11-8a52-6d1f00c3a001", "019aa0b1-7c00-7c11-8a52-6d1f00c3a002"]],
    )


_items: Any = list[ServiceProfile]
BatchAnswer = create_model(
    "BatchAnswer",
    items=(_items, Field(description="In the order that they were asked for.")),
    unknown=(
        list[UUID],
        Field(description="Who has no profile here: nobody, or somebody whose registration is on its way."),
    ),
)


@router.post("/batch", summary="Profiles of several users, for another service", response_model=BatchAnswer)
async def post_batch(wanted: BatchRequest, _: CurrentReader, database: UseDatabase) -> dict[str, Any]:
    """The fields that services may see, in one statement; the database shows this role no others."""
    async with database.read_transaction(as_user=Context.SERVICE) as connection:
        found = await read_for_services(connection, user_ids=wanted.user_ids)
    asked = dict.fromkeys(wanted.user_ids)
    return {
        "items": [found[user_id] for user_id in asked if user_id in found],
        "unknown": [user_id for user_id in asked if user_id not in found],
    }
