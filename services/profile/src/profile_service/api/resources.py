from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from common.blobs import Blobs
from common.blobs.store import STORAGE_CODE
from common.erasure import USER_ERASED
from common.errors import Kind
from common.http.documented import raises
from common.http.resources import UseClock, UseDatabase
from common.ids import new_id
from profile_service.usecases.change_avatar import AvatarChanges
from profile_service.usecases.drawing import Drawing
from profile_service.usecases.show_avatar import ShownAvatars


@dataclass(frozen=True)
class Resources:
    """What profile's routes work with besides the database; opened in app.py."""

    blobs: Blobs
    drawing: Drawing


@raises(Kind.UNAVAILABLE, STORAGE_CODE)
async def _resources(request: Request) -> Resources:
    return request.app.state.resources


@raises(Kind.NOT_FOUND, USER_ERASED)
async def _avatar_changes(
    database: UseDatabase, clock: UseClock, use: Annotated[Resources, Depends(_resources)]
) -> AvatarChanges:
    return AvatarChanges(database, use.blobs, clock, new_id)


async def _shown_avatars(
    database: UseDatabase, use: Annotated[Resources, Depends(_resources)]
) -> ShownAvatars:
    return ShownAvatars(database, use.blobs)


UseResources = Annotated[Resources, Depends(_resources)]
UseAvatarChanges = Annotated[AvatarChanges, Depends(_avatar_changes)]
UseShownAvatars = Annotated[ShownAvatars, Depends(_shown_avatars)]
