import json
from dataclasses import replace
from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Depends, Response

from common.errors import Kind
from common.http.body_limits import takes_up_to
from common.http.documented import raises
from common.http.etag import IfVersion, IfVersionRequired, version_headers
from common.http.merge_patch import merge_patch_of
from common.http.permissions import CurrentUser
from common.http.resources import UseDatabase
from common.http.unchanged import UseUnchanged
from profile_service.api.proposals import UseOwnProfile, UseReading, merging, replacing
from profile_service.api.schemas import DOCUMENT_SCHEMA, ProfileAnswer, profile_document
from profile_service.api.whole import not_a_patch, not_a_range
from profile_service.domain.fields import FIELDS
from profile_service.storage.profiles import Profile, read_profile
from profile_service.storage.versions import profile_name

router = APIRouter(prefix="/me", tags=["profile"])

OF_CONSTRAINTS: Final = (*(f"{field.column}.invalid" for field in FIELDS), "emergency_contact.name_missing")
"""Of the database, should it ever disagree with the rules here."""
MOST_BYTES: Final = 96 * 1024
"""Of the fullest profile, were every character escaped. Each unknown member is told as a fault of its own."""
Document = Annotated[dict[str, Any], Body(json_schema_extra=DOCUMENT_SCHEMA)]
Patch = Annotated[dict[str, Any], merge_patch_of({**DOCUMENT_SCHEMA, "title": "ProfilePatch"})]


@router.get("", summary="The caller's own profile", response_model=ProfileAnswer)
async def get_me(
    user: CurrentUser, database: UseDatabase, conditions: IfVersion, unchanged: UseUnchanged
) -> Response:
    """Of a user without one: everything is null and the version is 0; nothing is written by looking."""
    looked = await unchanged.since(conditions, profile_name(user.user_id))
    if looked.answer is not None:
        return looked.answer
    profile = await read_profile(database, user_id=user.user_id) or Profile(user.user_id)
    looked.learn(profile.version)
    return conditions.unchanged(profile.version) or _answer(profile)


@router.put(
    "",
    summary="Replace the caller's own profile",
    response_model=ProfileAnswer,
    dependencies=[Depends(not_a_range), Depends(not_a_patch)],
)
@takes_up_to(MOST_BYTES)
@raises(Kind.INVALID, *OF_CONSTRAINTS)
async def put_me(
    document: Document, reading: UseReading, own: UseOwnProfile, conditions: IfVersionRequired
) -> Response:
    """What the document leaves out is removed."""
    return _answer(await own.change(replacing(document, reading), conditions))


@router.patch("", summary="Change the caller's own profile", response_model=ProfileAnswer)
@takes_up_to(MOST_BYTES)
@raises(Kind.INVALID, *OF_CONSTRAINTS)
async def patch_me(patch: Patch, reading: UseReading, own: UseOwnProfile, conditions: IfVersion) -> Response:
    """Without If-Match the last one wins, field by field; with it nobody overwrites unseen changes."""
    return _answer(await own.change(merging(patch, reading), conditions))


@router.post("/validate", summary="What a change would make of the profile", response_model=ProfileAnswer)
@takes_up_to(MOST_BYTES)
async def post_validate(
    patch: Patch, reading: UseReading, user: CurrentUser, database: UseDatabase
) -> Response:
    """Answers as PATCH would, every fault at once, and stores nothing."""
    profile = await read_profile(database, user_id=user.user_id) or Profile(user.user_id)
    values = merging(patch, reading)(profile)
    body = json.dumps(profile_document(replace(profile, values=values)))
    return Response(body, media_type="application/json")


def _answer(profile: Profile) -> Response:
    return Response(
        json.dumps(profile_document(profile)),
        media_type="application/json",
        headers=version_headers(profile.version),
    )
