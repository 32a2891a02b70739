if __name__ == "__main__":
    from common.starting import hold_back

    hold_back()  # before all other imports

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace

from common.blobs import StorageSettings, open_blobs
from common.composition.api import Api, run_api
from common.composition.foundation import Foundation
from common.health.storage import storage_check
from profile_service.api import admin, avatar, batch, completeness, me, preferences, users
from profile_service.api.exported_picture import add_picture
from profile_service.api.resources import Resources
from profile_service.settings import ProfileApiSettings
from profile_service.storage.constraints import CONSTRAINTS
from profile_service.storage.export import EXPORT
from profile_service.storage.tables import HEAD
from profile_service.usecases.drawing import Drawing


@asynccontextmanager
async def resources(base: Foundation, settings: ProfileApiSettings) -> AsyncGenerator[Resources]:
    async with opened_resources(settings.storage) as opened:
        base.ready.add(storage_check(opened.blobs))
        yield opened


@asynccontextmanager
async def opened_resources(storage: StorageSettings) -> AsyncGenerator[Resources]:
    opened = Resources(blobs=open_blobs(storage), drawing=Drawing())
    try:
        yield opened
    finally:
        opened.drawing.close()
        opened.blobs.close()


API = Api(
    service="profile",
    title="Quartet profile",
    head=HEAD,
    constraints=CONSTRAINTS,
    export=replace(EXPORT, beside=add_picture),
    routers=(
        me.router,
        completeness.router,
        preferences.router,
        avatar.router,
        users.router,
        admin.router,
    ),
    internal_routers=(batch.router,),
    resources=resources,
)

if __name__ == "__main__":
    run_api(API, ProfileApiSettings)
