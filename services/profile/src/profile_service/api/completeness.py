from fastapi import APIRouter
from pydantic import BaseModel, Field

from common.http.permissions import CurrentUser
from common.http.resources import UseDatabase
from common.http.timestamps import Timestamp
from profile_service.domain.completeness import completeness
from profile_service.storage.profiles import Profile, read_profile

router = APIRouter(prefix="/me/completeness", tags=["profile"])


class CompletenessAnswer(BaseModel):
    score: int = Field(ge=0, le=100, description="Of 100.", examples=[85])
    missing: list[str] = Field(
        description="JSON pointers to what is not said yet, those that count most first.",
        examples=[["/phone_number", "/address/country"]],
    )
    completed_at: Timestamp | None = Field(description="When the score was 100 for the first time, in UTC.")


@router.get("", summary="How much of the caller's profile is filled")
async def get_completeness(user: CurrentUser, database: UseDatabase) -> CompletenessAnswer:
    profile = await read_profile(database, user_id=user.user_id) or Profile(user.user_id)
    found = completeness(profile.values)
    return CompletenessAnswer(
        score=found.score, missing=list(found.missing), completed_at=profile.completed_at
    )
