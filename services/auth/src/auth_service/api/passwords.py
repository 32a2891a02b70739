from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict

from auth_service.api.known_devices import give_device
from auth_service.api.limits import PASSWORD_CHANGE, PASSWORD_CONFIRM, PASSWORD_RESET
from auth_service.api.mailboxes import CountResetTo
from auth_service.api.own_passwords import RECENT_PROOF, OwnPassword
from auth_service.api.resources import UseResources
from auth_service.api.schemas import EmailRequest, LinkToken, MailAnswer, NewPassword, OldPassword, address
from auth_service.domain.errors import link_invalid, password_wrong
from auth_service.domain.known_devices import KnownDevice
from auth_service.domain.links import Purpose, read_link_token
from auth_service.usecases.ask_for_link import ask_for_link
from auth_service.usecases.change_password import change_password
from auth_service.usecases.request_mail import Mail
from auth_service.usecases.reset_password import reset_password
from common.errors import Kind
from common.http.documented import raises
from common.http.limited import per_address, per_user

router = APIRouter(prefix="/password", tags=["passwords"])


class ChangePasswordRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    current_password: OldPassword
    new_password: NewPassword


class ResetPasswordRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    token: LinkToken
    new_password: NewPassword


@router.post(
    "/change",
    status_code=204,
    summary="Change the password",
    dependencies=[per_user(PASSWORD_CHANGE), RECENT_PROOF],
)
async def post_change(
    body: ChangePasswordRequest, resources: UseResources, own_password: OwnPassword
) -> Response:
    """Every other session and every link that was mailed end with it.

    Beside the current password it asks for a sign-in or a step-up of the last hour.
    """
    changed = await change_password(
        resources.database,
        resources.hashing,
        resources.macs,
        resources.password_rules,
        own_password(body.current_password),
        new=body.new_password,
        now=resources.clock(),
        new_id=resources.new_id,
    )
    if not changed:
        raise password_wrong()
    return Response(status_code=204)


@router.post(
    "/reset",
    status_code=202,
    summary="Ask for a mail to set a new password",
    dependencies=[per_address(PASSWORD_RESET)],
)
async def post_reset(body: EmailRequest, resources: UseResources, count_reset_to: CountResetTo) -> MailAnswer:
    """The answer is the same whether or not there is such an account."""
    email = address(body.email)
    await count_reset_to(email)
    await ask_for_link(resources.database, email, Mail.RESET_PASSWORD, new_id=resources.new_id)
    return MailAnswer()


@router.post(
    "/reset/confirm",
    status_code=204,
    summary="Set a new password by the link of the mail",
    dependencies=[per_address(PASSWORD_CONFIRM)],
)
@raises(Kind.INVALID, "link.invalid")
@raises(Kind.UNAVAILABLE, "auth.busy")
async def post_reset_confirm(body: ResetPasswordRequest, resources: UseResources) -> Response:
    """All sessions end, and every other link that was mailed.

    Who read the mail is the owner: this device is known from now on, and nobody's wrong passwords keep it
    waiting.
    """
    link = read_link_token(body.token, resources.macs, Purpose.RESET_PASSWORD)
    if link is None or not await reset_password(
        resources.database,
        resources.hashing,
        resources.password_rules,
        link,
        new=body.new_password,
        now=resources.clock(),
        new_id=resources.new_id,
    ):
        raise link_invalid()
    response = Response(status_code=204)
    device = KnownDevice(user_id=link.user_id, device_id=resources.new_id())
    give_device(response, device, resources, in_cookie=True)
    return response
