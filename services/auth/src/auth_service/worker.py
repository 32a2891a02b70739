from auth_service.housekeeping import auth_tasks
from auth_service.settings import AuthWorkerSettings
from auth_service.storage.constraints import CONSTRAINTS
from auth_service.storage.tables import HEAD, SCHEMA
from common.composition.worker import Worker, run_worker
from common.crypto.rotation import Sealing


def sealing(settings: AuthWorkerSettings) -> Sealing:
    return Sealing(settings.keys.cipher(settings.environment), SCHEMA.sealed)


WORKER = Worker(service="auth", head=HEAD, constraints=CONSTRAINTS, housekeeping=auth_tasks, sealing=sealing)

if __name__ == "__main__":
    run_worker(WORKER, AuthWorkerSettings)
