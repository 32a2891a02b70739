if __name__ == "__main__":
    from common.starting import hold_back

    hold_back()  # before all other imports

from chat_service.api import usage
from chat_service.storage.constraints import CONSTRAINTS
from chat_service.storage.export import EXPORT
from chat_service.storage.tables import HEAD
from common.composition.api import Api, run_api
from common.settings import ApiSettings

API: Api[ApiSettings] = Api(
    service="chat",
    title="Quartet chat",
    head=HEAD,
    constraints=CONSTRAINTS,
    export=EXPORT,
    routers=(usage.router,),
)

if __name__ == "__main__":
    run_api(API, ApiSettings)
