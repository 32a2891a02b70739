from typing import Any, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from starlette.requests import ClientDisconnect

from common.errors import Kind
from common.http.answers import RefusalError
from common.http.body_limits import takes_up_to
from common.http.documented import OF_A_BODY, gives, raises
from common.http.etag import IfVersion, Preconditions, version_headers
from common.http.permissions import CurrentUser
from common.http.validation import malformed
from profile_service.api.resources import UseAvatarChanges, UseResources, UseShownAvatars
from profile_service.api.whole import not_a_range
from profile_service.domain.avatars import MEDIA_TYPE
from profile_service.domain.pictures import CODES, MEDIA_TYPES, MOST_BYTES
from profile_service.usecases.show_avatar import ShownAvatars

router = APIRouter(tags=["avatar"])

_BINARY: Final = {
    "schema": {"type": "string", "format": "binary"},
    "example": "the bytes of a picture, as they lie in its file",
}
_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "description": "The picture itself, not a form.",
        "content": dict.fromkeys(MEDIA_TYPES, _BINARY),
    }
}
_PICTURE: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "The picture.", "content": {MEDIA_TYPE: _BINARY}}
}


@router.get("/me/avatar", summary="The caller's picture", response_class=Response, responses=_PICTURE)
@raises(Kind.NOT_FOUND, "avatar.missing")
async def get_avatar(user: CurrentUser, shown: UseShownAvatars, conditions: IfVersion) -> Response:
    """A square WebP of 512 pixels at most."""
    return await _shown(shown, user.user_id, conditions)


@router.get(
    "/users/{user_id}/avatar", summary="A user's picture", response_class=Response, responses=_PICTURE
)
@raises(Kind.NOT_FOUND, "avatar.missing")
async def get_avatar_of(
    user_id: UUID, _: CurrentUser, shown: UseShownAvatars, conditions: IfVersion
) -> Response:
    """For everybody who is signed in, as the public profile is."""
    return await _shown(shown, user_id, conditions)


@router.put(
    "/me/avatar",
    summary="Set the caller's picture",
    status_code=204,
    response_class=Response,
    openapi_extra=_BODY,
    dependencies=[Depends(not_a_range)],
)
@takes_up_to(MOST_BYTES)
@gives(OF_A_BODY)
@raises(Kind.INVALID, *CODES)
@raises(Kind.UNAVAILABLE, "avatar.busy")
async def put_avatar(
    request: Request,
    user: CurrentUser,
    use: UseResources,
    changes: UseAvatarChanges,
    conditions: IfVersion,
) -> Response:
    """A JPEG, PNG, WebP or GIF that does not move, of 5 MiB and 25 million pixels at most.

    It is drawn anew: turned upright, its middle cut out as a square, and nothing else of it is kept.
    """
    media_type = _media_type(request)
    picture = await use.drawing.draw(await _body(request), media_type=media_type)
    shown = await changes.put(picture, user_id=user.user_id, check_version=conditions.check)
    return Response(status_code=204, headers=version_headers(shown.version))


@router.delete("/me/avatar", summary="Remove the caller's picture", status_code=204, response_class=Response)
async def delete_avatar(user: CurrentUser, changes: UseAvatarChanges, conditions: IfVersion) -> Response:
    """Of whoever has none, too."""
    await changes.delete(user_id=user.user_id, check_version=conditions.check)
    return Response(status_code=204)


async def _shown(avatars: ShownAvatars, user_id: UUID, conditions: Preconditions) -> Response:
    shown = await avatars.find(user_id)
    unchanged = conditions.unchanged(shown.version)
    if unchanged is not None:
        return unchanged
    shown, picture = await avatars.picture(shown, user_id)
    return Response(
        picture,
        media_type=MEDIA_TYPE,
        headers={
            **version_headers(shown.version),
            "Content-Disposition": 'inline; filename="avatar.webp"',
        },
    )


def _media_type(request: Request) -> str:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in MEDIA_TYPES:
        raise RefusalError(
            "media_type.unsupported",
            f"A picture is sent as {', '.join(MEDIA_TYPES)}.",
            kind=Kind.UNSUPPORTED_MEDIA_TYPE,
            headers={"Accept": ", ".join(MEDIA_TYPES)},
        )
    return media_type


async def _body(request: Request) -> bytes:
    try:
        return await request.body()
    except ClientDisconnect:
        raise malformed("body.incomplete", "The body ended before it was complete.") from None
