from datetime import datetime
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel

from common.http.resources import UseDatabase
from common.http.tokens import CurrentUser
from profile_service.domain.errors import profile_not_ready
from profile_service.storage.profiles import read_profile

router = APIRouter(tags=["profile"])


class ProfileAnswer(BaseModel):
    user_id: UUID
    full_name: str | None
    timezone: str | None
    language: str | None
    version: int
    created_at: datetime
    updated_at: datetime


@router.get("/me", summary="The caller's own profile", response_model=ProfileAnswer)
async def get_me(user: CurrentUser, database: UseDatabase) -> Response:
    async with database.read_transaction(as_user=user.user_id) as connection:
        profile = await read_profile(connection, user_id=user.user_id)
    if profile is None:
        raise profile_not_ready()
    # Encoded here: the framework would validate and encode what the database has typed already.
    body = ProfileAnswer.model_construct(**vars(profile)).model_dump_json()
    return Response(body, media_type="application/json")
