from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from common.errors import Kind
from common.http.documented import raises
from common.http.permissions import CurrentUser
from common.http.resources import UseDatabase
from common.http.timestamps import Timestamp
from profile_service.domain.errors import profile_not_ready
from profile_service.storage.profiles import read_profile

router = APIRouter(tags=["profile"])


class ProfileAnswer(BaseModel):
    user_id: UUID = Field(description="The account's id, the same in every service.")
    full_name: str | None = Field(description="What others call the user.")
    timezone: str | None = Field(description="A name of the IANA database.")
    language: str | None = Field(description="A language, and a region where it matters: `en`, `pt-BR`.")
    version: int = Field(description="Grows with every change.")
    created_at: Timestamp = Field(description="In UTC.")
    updated_at: Timestamp = Field(description="Of the last change, in UTC.")


@router.get("/me", summary="The caller's own profile", response_model=ProfileAnswer)
@raises(Kind.NOT_FOUND, "profile.not_ready")
async def get_me(user: CurrentUser, database: UseDatabase) -> Response:
    async with database.read_transaction(as_user=user.user_id) as connection:
        profile = await read_profile(connection, user_id=user.user_id)
    if profile is None:
        raise profile_not_ready()
    # Encoded here: the framework would validate and encode what the database has typed already.
    body = ProfileAnswer.model_construct(**vars(profile)).model_dump_json()
    return Response(body, media_type="application/json")
