from fastapi import APIRouter

from auth_service.api.limits import REGISTER
from auth_service.api.mailboxes import CountMailTo
from auth_service.api.resources import UseResources
from auth_service.api.schemas import MailAnswer, RegisterRequest, address
from auth_service.usecases.register import register
from common.errors import Kind
from common.http.documented import raises
from common.http.limited import per_address

router = APIRouter(tags=["accounts"])


@router.post(
    "/register", status_code=202, summary="Register an account", dependencies=[per_address(REGISTER)]
)
@raises(Kind.UNAVAILABLE, "auth.busy")
async def post_register(
    body: RegisterRequest, resources: UseResources, count_mail_to: CountMailTo
) -> MailAnswer:
    """The answer is the same whether or not the address has an account already."""
    resources.password_rules.require(body.password, about=(body.email, body.full_name), pointer="/password")
    await count_mail_to(address(body.email))
    await register(
        resources.database,
        resources.hashing,
        resources.macs,
        body.registration(),
        now=resources.clock(),
        new_id=resources.new_id,
    )
    return MailAnswer()
