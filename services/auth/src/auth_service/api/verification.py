from fastapi import APIRouter, Response

from auth_service.api.limits import RESEND
from auth_service.api.mailboxes import CountMailTo
from auth_service.api.resources import UseResources
from auth_service.api.schemas import EmailRequest, LinkRequest, MailAnswer, address
from auth_service.domain.errors import link_invalid
from auth_service.domain.links import Purpose, read_link_token
from auth_service.usecases.ask_for_link import ask_for_link
from auth_service.usecases.request_mail import Mail
from auth_service.usecases.verify_email import verify_email
from common.errors import Kind
from common.http.documented import raises
from common.http.limited import per_address

router = APIRouter(prefix="/verify-email", tags=["accounts"])


@router.post("", status_code=204, summary="Use the link of a verification mail")
@raises(Kind.INVALID, "link.invalid")
async def post_verify_email(body: LinkRequest, resources: UseResources) -> Response:
    link = read_link_token(body.token, resources.macs, Purpose.VERIFY_EMAIL)
    if link is None or not await verify_email(
        resources.database, link, now=resources.clock(), new_id=resources.new_id
    ):
        raise link_invalid()
    return Response(status_code=204)


@router.post(
    "/resend",
    status_code=202,
    summary="Send the verification mail once more",
    dependencies=[per_address(RESEND)],
)
async def post_resend(body: EmailRequest, resources: UseResources, count_mail_to: CountMailTo) -> MailAnswer:
    """The answer is the same whether or not there is such an account, and whether it needs the mail."""
    email = address(body.email)
    await count_mail_to(email)
    await ask_for_link(resources.database, email, Mail.VERIFY_EMAIL, new_id=resources.new_id)
    return MailAnswer()
