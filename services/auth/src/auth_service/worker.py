import structlog

from auth_service.settings import AuthWorkerSettings
from auth_service.storage.constraints import CONSTRAINTS
from auth_service.storage.tables import HEAD, SCHEMA
from auth_service.usecases.signing_keys import ensure_signing_key
from common.composition.foundation import Foundation
from common.composition.worker import Worker, run_worker
from common.crypto.rotation import Sealing

_log = structlog.get_logger("signing_keys")


async def make_first_signing_key(base: Foundation, settings: AuthWorkerSettings) -> None:
    if await ensure_signing_key(base.database, settings.keys.cipher(settings.environment)):
        _log.info("signing_keys.made_first")


def sealing(settings: AuthWorkerSettings) -> Sealing:
    return Sealing(settings.keys.cipher(settings.environment), SCHEMA.sealed)


WORKER = Worker(
    service="auth", head=HEAD, constraints=CONSTRAINTS, on_start=make_first_signing_key, sealing=sealing
)

if __name__ == "__main__":
    run_worker(WORKER, AuthWorkerSettings)
