from uuid import UUID

from fastapi import APIRouter, Response

from common.errors import Kind
from common.http.documented import raises
from common.http.etag import IfVersion, version_headers
from common.http.permissions import CurrentUser
from common.http.resources import UseDatabase
from common.http.unchanged import UseUnchanged
from profile_service.api.schemas import PublicAnswer, public_answer
from profile_service.domain.errors import nobody
from profile_service.storage.public_profiles import read_public_profile
from profile_service.storage.versions import public_name

router = APIRouter(prefix="/users", tags=["profile"])


@router.get("/{user_id}", summary="What a user shows to others", response_model=PublicAnswer)
@raises(Kind.NOT_FOUND, "profile.not_found")
async def get_user(
    user_id: UUID,
    _: CurrentUser,
    database: UseDatabase,
    conditions: IfVersion,
    unchanged: UseUnchanged,
) -> Response:
    """The public fields alone; its version tells nothing of changes to the others."""
    looked = await unchanged.since(conditions, public_name(user_id))
    if looked.answer is not None:
        return looked.answer
    profile = await read_public_profile(database, user_id=user_id)
    if profile is None:
        raise nobody()
    looked.learn(profile.version)
    return conditions.unchanged(profile.version) or Response(
        public_answer(profile).model_dump_json(),
        media_type="application/json",
        headers=version_headers(profile.version),
    )
