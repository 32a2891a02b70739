from typing import Annotated, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from auth_service.api.limits import ERASE, ERASURE_STATE
from auth_service.api.own_passwords import OwnPassword
from auth_service.api.resources import Resources, UseResources
from auth_service.api.schemas import OldPassword
from auth_service.api.users import CurrentUser
from auth_service.domain.erasure_receipts import read_receipt, write_receipt
from auth_service.domain.errors import account_gone, erasure_not_found, password_wrong
from auth_service.storage.erasures import Erasure, read_erasure
from auth_service.usecases.confirm_erasure import CONFIRMING
from auth_service.usecases.erase_account import EraseRefusal, erase_account
from common.errors import Kind
from common.http.documented import gives, raises
from common.http.limited import per_address, per_user
from common.http.permissions import Fresh
from common.http.timestamps import Timestamp

router = APIRouter(prefix="/me/erasure", tags=["accounts"])

_fresh = Fresh(300)


class EraseRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    password: OldPassword | None = Field(
        default=None,
        description="Without it the caller must have signed in or stepped up within five minutes.",
    )


class ServiceErasure(BaseModel):
    service: str = Field(description="Which service.", examples=["profile"])
    erased_at: Timestamp | None = Field(description="Since when it holds nothing; null until it has said so.")


class ErasureAnswer(BaseModel):
    state: Literal["erasing", "erased"] = Field(description="`erased` once every service has confirmed.")
    asked_at: Timestamp = Field(description="When it was asked for; the account itself went in that moment.")
    erased_at: Timestamp | None = Field(description="When the last service confirmed.")
    services: list[ServiceErasure] = Field(description="Each service that held something.")
    receipt: str = Field(
        description="What this state is asked for with; there is no other way to see it.",
        examples=["qe1_AZoEUNMmcQ"],
    )


Receipt = Annotated[
    str, Query(min_length=1, max_length=128, description="As the answer to the erasure told it.")
]


@router.post(
    "",
    status_code=202,
    summary="Erase the account and everything that is kept of its user",
    dependencies=[per_user(ERASE)],
)
@raises(Kind.UNAUTHENTICATED, "account.gone")
@gives(Fresh.problems)
async def post_erasure(
    *,
    request: Request,
    response: Response,
    user: CurrentUser,
    resources: UseResources,
    own_password: OwnPassword,
    body: EraseRequest | None = None,
) -> ErasureAnswer:
    """For good: nobody can bring anything back. The address may be registered again, as another account."""
    password = None if body is None else body.password
    if password is None:
        await _fresh(request, user)
    refusal = await erase_account(
        resources.database,
        resources.hashing,
        resources.macs,
        user_id=user.user_id,
        claim=None if password is None else own_password(password),
        now=resources.clock(),
        new_id=resources.new_id,
    )
    match refusal:
        case EraseRefusal.WRONG:
            raise password_wrong()
        case EraseRefusal.GONE:
            raise account_gone()
        case None:
            receipt = write_receipt(user.user_id, resources.macs)
            response.headers["Location"] = f"{request.url.path}?{urlencode({'receipt': receipt})}"
            return await _answer(receipt, resources)


@router.get("", summary="How far an erasure is", dependencies=[per_address(ERASURE_STATE)])
@raises(Kind.NOT_FOUND, "erasure.not_found")
async def get_erasure(receipt: Receipt, resources: UseResources) -> ErasureAnswer:
    """Without a session: who was erased has none any more. The receipt is kept for ninety days."""
    return await _answer(receipt, resources)


async def _answer(receipt: str, resources: Resources) -> ErasureAnswer:
    user_id = read_receipt(receipt, resources.macs)
    if user_id is None:
        raise erasure_not_found()
    async with resources.database.read_transaction(as_user=user_id) as connection:
        erasure = await read_erasure(connection, user_id=user_id)
    if erasure is None:
        raise erasure_not_found()
    return _told(erasure, receipt)


def _told(erasure: Erasure, receipt: str) -> ErasureAnswer:
    services = [
        ServiceErasure.model_validate({"service": service, "erased_at": erasure.confirmed.get(service)})
        for service in CONFIRMING
    ]
    return ErasureAnswer(
        state="erasing" if erasure.closed_at is None else "erased",
        asked_at=erasure.asked_at,
        erased_at=erasure.closed_at,
        services=services,
        receipt=receipt,
    )
