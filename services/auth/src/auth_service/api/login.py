from fastapi import APIRouter

from auth_service.api.limits import LOGIN
from auth_service.api.resources import UseResources
from auth_service.api.schemas import LoginAnswer, LoginRequest, address
from auth_service.domain.errors import signing_key_missing
from auth_service.domain.tokens import ACCESS_TOKEN_LIFETIME
from auth_service.usecases.issue_token import issue_access_token
from auth_service.usecases.log_in import log_in
from common.errors import Kind
from common.http.documented import raises
from common.http.limited import per_address

router = APIRouter(tags=["sessions"])


@router.post("/login", summary="Sign in with e-mail and password", dependencies=[per_address(LOGIN)])
@raises(Kind.UNAUTHENTICATED, "credentials.wrong")
@raises(Kind.UNAVAILABLE, "auth.busy", "auth.signing_key_missing")
async def post_login(body: LoginRequest, resources: UseResources) -> LoginAnswer:
    key = await resources.signing_keys.signing()
    if key is None:
        raise signing_key_missing()
    claims = await log_in(
        resources.database,
        resources.hashing,
        email=address(body.email),
        password=body.password,
        issuer=resources.issuer,
        audience=resources.audience,
        new_id=resources.new_id,
        now=resources.clock(),
    )
    return LoginAnswer(
        access_token=issue_access_token(key, claims),
        expires_in=int(ACCESS_TOKEN_LIFETIME.total_seconds()),
    )
