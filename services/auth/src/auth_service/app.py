if __name__ == "__main__":
    from common.starting import hold_back

    hold_back()  # before all other imports

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from auth_service.api import (
    discovery,
    email_change,
    erasure,
    exports,
    jwks,
    login,
    logout,
    me,
    oauth,
    passwords,
    refresh,
    register,
    sessions,
    step_up,
    verification,
)
from auth_service.api.resources import Resources
from auth_service.domain.common_passwords import common_passwords
from auth_service.domain.macs import Macs
from auth_service.domain.password_rules import PasswordRules
from auth_service.domain.passwords import Passwords
from auth_service.settings import AuthApiSettings
from auth_service.storage.constraints import CONSTRAINTS
from auth_service.storage.export import EXPORT
from auth_service.storage.tables import HEAD
from auth_service.usecases.export_files import ExportFiles
from auth_service.usecases.find_user_by_email import users_by_email
from auth_service.usecases.hashing import Hashing
from auth_service.usecases.issue_tokens import TokenIssuer
from auth_service.usecases.presented_tokens import TokenReader
from auth_service.usecases.see_sessions import SeenSessions
from auth_service.usecases.signing_keys import SigningKeys
from common.blobs import open_blobs
from common.clock import utc_now
from common.composition.api import Api, older_tokens, run_api
from common.composition.foundation import Foundation
from common.health.storage import storage_check
from common.ids import new_id


@asynccontextmanager
async def resources(base: Foundation, settings: AuthApiSettings) -> AsyncGenerator[Resources]:
    cipher = settings.keys.cipher(settings.environment)
    macs = Macs(settings.keys.ring(settings.environment), active=settings.keys.active)
    signing_keys = SigningKeys(base.database, cipher)
    hashing = Hashing(
        Passwords(settings.hashing.cost), at_once=settings.hashing.at_once, waiting=settings.hashing.waiting
    )
    blobs = open_blobs(settings.storage)
    base.ready.add(storage_check(blobs))
    seen = SeenSessions(base.database, clock=utc_now)
    common_passwords()  # read now: the first who registers shall not wait for it
    try:
        async with seen.written():
            yield Resources(
                database=base.database,
                hashing=hashing,
                signing_keys=signing_keys,
                tokens=TokenIssuer(
                    signing_keys, macs, settings.token.issuer, settings.token.audience, new_id=new_id
                ),
                presented=TokenReader(
                    signing_keys,
                    settings.token.issuer,
                    settings.token.audience,
                    older_tokens(API, settings.legacy, base.database),
                ),
                macs=macs,
                session_limits=settings.sessions.limits,
                seen=seen,
                password_rules=PasswordRules(settings.passwords.fewest_characters),
                export_files=ExportFiles(blobs, cipher),
                new_id=new_id,
                clock=utc_now,
            )
    finally:
        blobs.close()
        hashing.close()


API = Api(
    service="auth",
    title="Quartet auth",
    head=HEAD,
    constraints=CONSTRAINTS,
    export=EXPORT,
    routers=(
        register.router,
        login.router,
        refresh.router,
        logout.router,
        sessions.router,
        step_up.router,
        verification.router,
        passwords.router,
        me.router,
        erasure.router,
        exports.router,
        email_change.router,
    ),
    root_routers=(jwks.router, discovery.router, oauth.router),
    resources=resources,
    scope="account",
    user_by_email=users_by_email,
)

if __name__ == "__main__":
    run_api(API, AuthApiSettings)
