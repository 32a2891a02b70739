from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from auth_service.api.limits import DEACTIVATE
from auth_service.api.own_passwords import OwnPassword
from auth_service.api.resources import UseResources
from auth_service.api.schemas import FullName, Language, OldPassword, TimeZone
from auth_service.api.users import CurrentUser
from auth_service.domain.errors import account_gone, password_wrong
from auth_service.storage.accounts import Account, change_account, lock_account, read_account
from auth_service.usecases.deactivate import deactivate
from common.errors import Kind
from common.http.documented import raises
from common.http.etag import IfVersion, version_headers
from common.http.limited import per_user
from common.http.merge_patch import merge_patch_of, patched
from common.http.timestamps import Timestamp

router = APIRouter(prefix="/me", tags=["accounts"])


class AccountAnswer(BaseModel):
    id: UUID = Field(description="The account's id, the same in every service.")
    email: str = Field(
        description="As it was given; another one is set at `/email/change`.", examples=["ada@example.org"]
    )
    full_name: str | None = Field(description="What others call the user.", examples=["Ada Lovelace"])
    timezone: str = Field(description="A name of the IANA database.", examples=["Europe/London"])
    language: str = Field(
        description="A language, and a region where it matters: `en`, `pt-BR`.", examples=["en"]
    )
    role: str = Field(description="`user`, `staff` or `admin`.", examples=["user"])
    is_active: bool = Field(description="Whether the account may be used.")
    is_verified: bool = Field(description="Whether the address was shown to be the user's.")
    version: int = Field(description="Grows with every change; the ETag is made of it.", examples=[17])
    created_at: Timestamp = Field(description="In UTC.")
    updated_at: Timestamp = Field(description="Of the last change, in UTC.")


class AccountPatch(BaseModel):
    """What of an account its user may change here."""

    model_config = ConfigDict(extra="forbid")

    full_name: FullName | None = Field(default=None, description="What others call the user.")
    timezone: TimeZone = Field(default="UTC", description="A name of the IANA database.")
    language: Language = Field(
        default="en", description="A language, and a region where it matters: `en`, `pt-BR`."
    )


class DeactivateRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    password: OldPassword


def _answer(account: Account) -> Response:
    # Encoded here: the framework would validate and encode what the database has typed already.
    return Response(
        AccountAnswer.model_construct(**vars(account)).model_dump_json(),
        media_type="application/json",
        headers=version_headers(account.version),
    )


@router.get("", summary="The caller's own account", response_model=AccountAnswer)
@raises(Kind.UNAUTHENTICATED, "account.gone")
async def get_me(user: CurrentUser, resources: UseResources, conditions: IfVersion) -> Response:
    account = await read_account(resources.database, user_id=user.user_id)
    if account is None:
        raise account_gone()
    return conditions.unchanged(account.version) or _answer(account)


@router.patch("", summary="Change the caller's own account", response_model=AccountAnswer)
@raises(Kind.UNAUTHENTICATED, "account.gone")
async def patch_me(
    patch: Annotated[dict[str, Any], merge_patch_of(AccountPatch)],
    user: CurrentUser,
    resources: UseResources,
    conditions: IfVersion,
) -> Response:
    """Without If-Match the last one wins; with it nobody overwrites what they have not seen."""
    async with resources.database.transaction(as_user=user.user_id) as tx:
        account = await lock_account(tx, user_id=user.user_id)
        if account is None:
            raise account_gone()
        conditions.check(account.version)
        current = AccountPatch.model_construct(
            full_name=account.full_name, timezone=account.timezone, language=account.language
        )
        wanted = patched(current, patch)
        if wanted != current:
            account = await change_account(
                tx, user_id=user.user_id, now=resources.clock(), **wanted.model_dump()
            )
    return _answer(account)


@router.post(
    "/deactivate",
    status_code=204,
    summary="Close the account for now",
    dependencies=[per_user(DEACTIVATE)],
)
async def post_deactivate(
    body: DeactivateRequest, resources: UseResources, own_password: OwnPassword
) -> Response:
    """Nobody can sign in any more and every session ends; an administrator can open it again."""
    closed = await deactivate(
        resources.database,
        resources.hashing,
        resources.macs,
        own_password(body.password),
        now=resources.clock(),
        new_id=resources.new_id,
    )
    if not closed:
        raise password_wrong()
    return Response(status_code=204)
