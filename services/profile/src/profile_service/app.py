from common.composition.api import Api, run_api
from common.settings import ApiSettings
from profile_service.api import admin, batch, completeness, me, preferences, users
from profile_service.storage.constraints import CONSTRAINTS
from profile_service.storage.export import EXPORT
from profile_service.storage.tables import HEAD

API: Api[ApiSettings] = Api(
    service="profile",
    title="Quartet profile",
    head=HEAD,
    constraints=CONSTRAINTS,
    export=EXPORT,
    routers=(me.router, completeness.router, preferences.router, users.router, admin.router),
    internal_routers=(batch.router,),
)

if __name__ == "__main__":
    run_api(API, ApiSettings)
