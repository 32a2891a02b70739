if __name__ == "__main__":
    from common.starting import hold_back

    hold_back()  # before all other imports

from calendar_sync_service.consumers import build_handlers
from calendar_sync_service.storage.constraints import CONSTRAINTS
from calendar_sync_service.storage.tables import HEAD
from common.composition.worker import Worker, run_worker
from common.settings import WorkerSettings

WORKER: Worker[WorkerSettings] = Worker(
    service="calendar", head=HEAD, constraints=CONSTRAINTS, handlers=build_handlers
)

if __name__ == "__main__":
    run_worker(WORKER, WorkerSettings)
