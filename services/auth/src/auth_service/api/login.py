from fastapi import APIRouter, Request, Response

from auth_service.api.answers import token_answer
from auth_service.api.cookies import refuse_other_sites
from auth_service.api.devices import CurrentDevice
from auth_service.api.known_devices import SentDevice, give_device
from auth_service.api.limits import LOGIN
from auth_service.api.resources import UseResources
from auth_service.api.schemas import LoginRequest, TokenAnswer, address
from auth_service.domain.errors import credentials_wrong, email_unverified
from auth_service.usecases.log_in import Credentials, LoggedIn, LoginRefusal, log_in
from auth_service.usecases.start_session import SignIn
from common.errors import Kind
from common.http.documented import raises
from common.http.limited import per_address

router = APIRouter(tags=["sessions"])


@router.post("/login", summary="Sign in with e-mail and password", dependencies=[per_address(LOGIN)])
@raises(Kind.UNAUTHENTICATED, "credentials.wrong")
@raises(Kind.FORBIDDEN, "email.unverified")
@raises(Kind.TOO_MANY, "login.locked")
@raises(Kind.UNAVAILABLE, "auth.busy", "auth.signing_key_missing")
async def post_login(
    *,
    body: LoginRequest,
    request: Request,
    response: Response,
    resources: UseResources,
    device: CurrentDevice,
    known_device: SentDevice,
) -> TokenAnswer:
    """Who sends `X-Quartet-Device` of an earlier login back is not held up by others' wrong passwords."""
    if body.cookie:
        refuse_other_sites(request)
    now = resources.clock()
    outcome = await log_in(
        resources.database,
        resources.hashing,
        resources.macs,
        Credentials(address(body.email), body.password, known_device),
        SignIn(device, body.device_label, resources.session_limits),
        new_id=resources.new_id,
        now=now,
    )
    match outcome:
        case LoginRefusal.WRONG:
            raise credentials_wrong()
        case LoginRefusal.UNVERIFIED:
            raise email_unverified()
        case LoggedIn():
            pass
    issued = await resources.tokens.issue(outcome.session, now=now)
    give_device(response, outcome.device, resources, in_cookie=body.cookie)
    return token_answer(response, issued, resources, in_cookie=body.cookie)
