if __name__ == "__main__":
    from common.starting import hold_back

    hold_back()  # before all other imports

from calendar_sync_service.api import categories
from calendar_sync_service.storage.constraints import CONSTRAINTS
from calendar_sync_service.storage.export import EXPORT
from calendar_sync_service.storage.tables import HEAD
from common.composition.api import Api, run_api
from common.settings import ApiSettings

API: Api[ApiSettings] = Api(
    service="calendar",
    title="Quartet calendar",
    head=HEAD,
    constraints=CONSTRAINTS,
    export=EXPORT,
    routers=(categories.router,),
)

if __name__ == "__main__":
    run_api(API, ApiSettings)
