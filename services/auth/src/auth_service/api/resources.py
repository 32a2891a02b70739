from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from auth_service.domain.macs import Macs
from auth_service.domain.password_rules import PasswordRules
from auth_service.domain.sessions import SessionLimits
from auth_service.usecases.export_files import ExportFiles
from auth_service.usecases.hashing import Hashing
from auth_service.usecases.issue_tokens import TokenIssuer
from auth_service.usecases.presented_tokens import TokenReader
from auth_service.usecases.see_sessions import SeenSessions
from auth_service.usecases.signing_keys import SigningKeys
from common.clock import Clock
from common.errors import Kind
from common.http.documented import DATABASE_CODES, raises
from common.ids import NewId
from common.postgres.engine import Database


@dataclass(frozen=True)
class Resources:
    """What auth's routes work with; opened in app.py, closed in reverse."""

    database: Database
    hashing: Hashing
    signing_keys: SigningKeys
    tokens: TokenIssuer
    presented: TokenReader
    macs: Macs
    session_limits: SessionLimits
    seen: SeenSessions
    password_rules: PasswordRules
    export_files: ExportFiles
    new_id: NewId
    clock: Clock


@raises(Kind.UNAVAILABLE, *DATABASE_CODES)
async def _resources(request: Request) -> Resources:
    return request.app.state.resources


UseResources = Annotated[Resources, Depends(_resources)]
