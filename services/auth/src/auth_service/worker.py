from collections.abc import Sequence

from auth_service.clients.mailer import Mailer
from auth_service.consumers import build_handlers
from auth_service.domain.macs import Macs
from auth_service.housekeeping import auth_tasks
from auth_service.settings import AuthWorkerSettings
from auth_service.storage.constraints import CONSTRAINTS
from auth_service.storage.tables import HEAD, SCHEMA
from auth_service.usecases.address_mail import Links
from auth_service.usecases.clean_up import CleanUp
from auth_service.usecases.send_mail import MailOffice
from auth_service.usecases.write_mail import Letters
from common.clock import utc_now
from common.composition.foundation import Foundation
from common.composition.worker import Worker, run_worker
from common.crypto.rotation import Sealing
from common.jobs.kinds import JobKind


def sealing(settings: AuthWorkerSettings) -> Sealing:
    return Sealing(settings.keys.cipher(settings.environment), SCHEMA.sealed)


def job_kinds(base: Foundation, settings: AuthWorkerSettings) -> Sequence[JobKind]:
    macs = Macs(settings.keys.ring(settings.environment), active=settings.keys.active)
    office = MailOffice(
        database=base.database,
        letters=Letters(),
        links=Links(settings.mail.console_url, macs),
        sender=settings.mail.from_whom,
        transport=Mailer(settings.mail.server),
        clock=utc_now,
    )
    return (office.kind(), CleanUp(base.database, kept=settings.clean_up.kept).kind())


WORKER = Worker(
    service="auth",
    head=HEAD,
    constraints=CONSTRAINTS,
    handlers=build_handlers,
    housekeeping=auth_tasks,
    job_kinds=job_kinds,
    sealing=sealing,
)

if __name__ == "__main__":
    run_worker(WORKER, AuthWorkerSettings)
