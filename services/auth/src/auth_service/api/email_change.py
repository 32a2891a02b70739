from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from auth_service.api.limits import EMAIL_CHANGE, EMAIL_CONFIRM
from auth_service.api.mailboxes import CountMailTo
from auth_service.api.own_passwords import RECENT_PROOF, OwnPassword
from auth_service.api.resources import UseResources
from auth_service.api.schemas import Email, LinkRequest, MailAnswer, OldPassword, address
from auth_service.domain.errors import email_taken, link_invalid, password_wrong
from auth_service.domain.links import Purpose, read_link_token
from auth_service.usecases.ask_for_email_change import ask_for_email_change
from auth_service.usecases.change_email import EmailRefusal, change_email
from common.errors import Kind
from common.http.documented import raises
from common.http.limited import per_address, per_user

router = APIRouter(prefix="/email/change", tags=["accounts"])


class ChangeEmailRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    new_email: Email = Field(description="Where the link that confirms it goes.")
    password: OldPassword


@router.post(
    "",
    status_code=202,
    summary="Ask for another e-mail address",
    dependencies=[per_user(EMAIL_CHANGE), RECENT_PROOF],
)
async def post_email_change(
    body: ChangeEmailRequest,
    resources: UseResources,
    count_mail_to: CountMailTo,
    own_password: OwnPassword,
) -> MailAnswer:
    """Nothing changes before the link in the mail to the new address is used.

    Beside the password it asks for a sign-in or a step-up of the last hour.
    """
    email = address(body.new_email)
    await count_mail_to(email)
    asked = await ask_for_email_change(
        resources.database,
        resources.hashing,
        resources.macs,
        email,
        own_password(body.password),
        now=resources.clock(),
        new_id=resources.new_id,
    )
    if not asked:
        raise password_wrong()
    return MailAnswer()


@router.post(
    "/confirm",
    status_code=204,
    summary="Take the new address by the link of its mail",
    dependencies=[per_address(EMAIL_CONFIRM)],
)
@raises(Kind.INVALID, "link.invalid")
@raises(Kind.CONFLICT, "email.taken")
async def post_email_confirm(body: LinkRequest, resources: UseResources) -> Response:
    """The former address is told."""
    link = read_link_token(body.token, resources.macs, Purpose.CONFIRM_EMAIL)
    if link is None:
        raise link_invalid()
    refusal = await change_email(resources.database, link, now=resources.clock(), new_id=resources.new_id)
    match refusal:
        case EmailRefusal.LINK:
            raise link_invalid()
        case EmailRefusal.TAKEN:
            raise email_taken()
        case None:
            return Response(status_code=204)
