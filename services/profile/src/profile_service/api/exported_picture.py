"""The picture in a user's export: JSON holds no bytes, so it stands there in Base64."""

from base64 import b64encode
from typing import Any
from uuid import UUID

from common.errors import Kind, QuartetError
from profile_service.domain.avatars import MEDIA_TYPE
from profile_service.usecases.show_avatar import ShownAvatars


async def add_picture(state: Any, user_id: UUID, data: dict[str, list[Any]]) -> None:
    """Of whoever has one; a storage that is away fails the export, which is asked for again."""
    if not data["avatar"]:
        return
    avatars = ShownAvatars(state.database, state.resources.blobs)
    try:
        _, picture = await avatars.picture(await avatars.find(user_id), user_id)
    except QuartetError as error:
        if error.kind is not Kind.NOT_FOUND:
            raise
        return
    data["avatar"][0] |= {"media_type": MEDIA_TYPE, "content_base64": b64encode(picture).decode()}
