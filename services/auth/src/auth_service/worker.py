if __name__ == "__main__":
    from common.starting import hold_back

    hold_back()  # before all other imports

from collections.abc import Sequence
from functools import partial

import httpx

from auth_service.clients.mailer import Mailer
from auth_service.clients.service_parts import ServiceParts
from auth_service.consumers import build_handlers
from auth_service.domain.macs import Macs
from auth_service.housekeeping import auth_tasks
from auth_service.settings import AuthWorkerSettings
from auth_service.storage.constraints import CONSTRAINTS
from auth_service.storage.tables import HEAD, SCHEMA
from auth_service.usecases.address_mail import Links
from auth_service.usecases.clean_up import CleanUp
from auth_service.usecases.export_files import ExportFiles
from auth_service.usecases.issue_service_token import sign_service_token
from auth_service.usecases.make_export import ExportMaking
from auth_service.usecases.remove_exports import ExportRemoval
from auth_service.usecases.send_mail import MailOffice
from auth_service.usecases.signing_keys import SigningKeys
from auth_service.usecases.write_mail import Letters
from common.blobs import open_blobs
from common.clock import utc_now
from common.composition.foundation import Foundation
from common.composition.worker import Worker, run_worker
from common.crypto.rotation import Sealing
from common.health.storage import storage_check
from common.http.export import SCOPE
from common.http.tls import internal_client_tls
from common.ids import new_id
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
    return (
        office.kind(),
        CleanUp(base.database, kept=settings.clean_up.kept).kind(),
        *_of_exports(base, settings),
    )


def _of_exports(base: Foundation, settings: AuthWorkerSettings) -> Sequence[JobKind]:
    cipher, blobs = settings.keys.cipher(settings.environment), open_blobs(settings.storage)
    base.ready.add(storage_check(blobs))
    files = ExportFiles(blobs, cipher)
    tls = internal_client_tls(settings.internal)
    signing_keys = SigningKeys(base.database, cipher)
    parts = ServiceParts(
        settings.exports.services,
        clients=lambda: httpx.AsyncClient(verify=tls, trust_env=False),
        token_for=partial(export_token, signing_keys, settings.token.issuer),
    )
    making = ExportMaking(base.database, files, parts, clock=utc_now, new_id=new_id)
    return (making.kind(), ExportRemoval(base.database, files).kind())


async def export_token(signing_keys: SigningKeys, issuer: str, audience: str) -> str:
    """auth is who gives such tokens: it needs no client and no secret to give itself one."""
    signed = await sign_service_token(
        signing_keys,
        "auth",
        issuer=issuer,
        audience=audience,
        scopes=frozenset({SCOPE}),
        now=utc_now(),
        new_id=new_id,
    )
    return signed.access_token


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
