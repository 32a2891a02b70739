if __name__ == "__main__":
    from common.starting import hold_back

    hold_back()  # before all other imports

from collections.abc import Sequence

from common.blobs import open_blobs
from common.composition.foundation import Foundation
from common.composition.worker import Worker, run_worker
from common.health.storage import storage_check
from common.jobs import JobKind
from profile_service.consumers import build_handlers
from profile_service.settings import ProfileWorkerSettings
from profile_service.storage.constraints import CONSTRAINTS
from profile_service.storage.tables import HEAD
from profile_service.usecases.remove_avatars import AvatarRemoval


def job_kinds(base: Foundation, settings: ProfileWorkerSettings) -> Sequence[JobKind]:
    blobs = open_blobs(settings.storage)
    base.ready.add(storage_check(blobs))
    return AvatarRemoval(base.database, blobs).kinds()


WORKER = Worker(
    service="profile", head=HEAD, constraints=CONSTRAINTS, handlers=build_handlers, job_kinds=job_kinds
)

if __name__ == "__main__":
    run_worker(WORKER, ProfileWorkerSettings)
