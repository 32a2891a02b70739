from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from auth_service.api import (
    email_change,
    jwks,
    login,
    logout,
    me,
    passwords,
    refresh,
    register,
    sessions,
    step_up,
    verification,
)
from auth_service.api.resources import Resources
from auth_service.domain.macs import Macs
from auth_service.domain.passwords import HashingCost, Passwords
from auth_service.settings import AuthApiSettings
from auth_service.storage.constraints import CONSTRAINTS
from auth_service.storage.tables import HEAD
from auth_service.usecases.hashing import Hashing
from auth_service.usecases.issue_tokens import TokenIssuer
from auth_service.usecases.signing_keys import SigningKeys
from common.clock import utc_now
from common.composition.api import Api, run_api
from common.composition.foundation import Foundation
from common.ids import new_id


@asynccontextmanager
async def resources(base: Foundation, settings: AuthApiSettings) -> AsyncGenerator[Resources]:
    cipher = settings.keys.cipher(settings.environment)
    macs = Macs(settings.keys.ring(settings.environment), active=settings.keys.active)
    signing_keys = SigningKeys(base.database, cipher)
    hashing = Hashing(
        Passwords(HashingCost()), at_once=settings.hashing.at_once, waiting=settings.hashing.waiting
    )
    try:
        yield Resources(
            database=base.database,
            hashing=hashing,
            signing_keys=signing_keys,
            tokens=TokenIssuer(
                signing_keys, macs, settings.token.issuer, settings.token.audience, new_id=new_id
            ),
            macs=macs,
            session_limits=settings.sessions.limits,
            new_id=new_id,
            clock=utc_now,
        )
    finally:
        hashing.close()


API = Api(
    service="auth",
    title="Quartet auth",
    head=HEAD,
    constraints=CONSTRAINTS,
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
        email_change.router,
    ),
    root_routers=(jwks.router,),
    resources=resources,
)

if __name__ == "__main__":
    run_api(API, AuthApiSettings)
