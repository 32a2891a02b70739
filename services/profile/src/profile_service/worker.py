from common.composition.worker import Worker, run_worker
from common.settings import WorkerSettings
from profile_service.consumers import build_handlers
from profile_service.storage.constraints import CONSTRAINTS
from profile_service.storage.tables import HEAD

WORKER: Worker[WorkerSettings] = Worker(
    service="profile", head=HEAD, constraints=CONSTRAINTS, handlers=build_handlers
)

if __name__ == "__main__":
    run_worker(WORKER, WorkerSettings)
