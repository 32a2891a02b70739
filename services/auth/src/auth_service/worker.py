import structlog

from auth_service.settings import AuthWorkerSettings
from auth_service.storage.constraints import CONSTRAINTS
from auth_service.storage.tables import HEAD
from auth_service.usecases.signing_keys import ensure_signing_key
from common.composition.foundation import Foundation
from common.composition.worker import Worker, run_worker

_log = structlog.get_logger("signing_keys")


async def make_first_signing_key(base: Foundation, settings: AuthWorkerSettings) -> None:
    if await ensure_signing_key(base.database, settings.keys.cipher(settings.environment)):
        _log.info("signing_keys.made_first")


WORKER = Worker(service="auth", head=HEAD, constraints=CONSTRAINTS, on_start=make_first_signing_key)

if __name__ == "__main__":
    run_worker(WORKER, AuthWorkerSettings)
