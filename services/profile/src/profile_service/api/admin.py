import json
from uuid import UUID

from fastapi import APIRouter, Response

from common.errors import Kind
from common.http.documented import raises
from common.http.permissions import CurrentStaff
from common.http.resources import UseDatabase
from common.ids import new_id
from common.postgres.context import Context
from common.postgres.engine import Transaction
from profile_service.api.schemas import ProfileAnswer, profile_document
from profile_service.domain.errors import nobody
from profile_service.storage.profiles import Profile
from profile_service.usecases.look_at_profile import look_at_profile

router = APIRouter(prefix="/admin/users", tags=["staff"])


@router.get("/{user_id}", summary="A user's profile, for staff", response_model=ProfileAnswer)
@raises(Kind.NOT_FOUND, "profile.not_found")
async def get_profile_of(user_id: UUID, staff: CurrentStaff, database: UseDatabase) -> Response:
    """For support and administrators: each look is written down, one that finds nobody too."""

    async def look(tx: Transaction) -> Profile | None:
        return await look_at_profile(tx, user_id=user_id, staff_id=staff.user_id, new_id=new_id)

    profile = await database.in_transaction(Context.STAFF, look)
    if profile is None:
        raise nobody()
    return Response(json.dumps(profile_document(profile)), media_type="application/json")
