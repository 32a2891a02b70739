from typing import Literal
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from auth_service.api.limits import STEP_UP
from auth_service.api.own_passwords import OwnPassword
from auth_service.api.resources import UseResources
from auth_service.api.schemas import OldPassword
from auth_service.api.users import CurrentUser
from auth_service.domain.errors import password_wrong, session_ended
from auth_service.usecases.step_up import StepUpRefusal, step_up
from common.errors import Kind
from common.http.documented import raises
from common.http.limited import per_user

router = APIRouter(tags=["sessions"])


class StepUpRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    method: Literal["password"] = Field(description="What is proved with.")
    password: OldPassword


class StepUpAnswer(BaseModel):
    access_token: str = Field(
        description="Takes the place of the one before: `auth_time` is now and `acr` is raised.",
        examples=["eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.eyJzdWIiOiIwMWExIn0.c2ln"],
    )
    token_type: Literal["Bearer"] = Field(default="Bearer", description="How the token is sent.")
    expires_in: int = Field(description="Seconds until the access token ends.", examples=[600])
    session_id: UUID = Field(description="The session, which stays the same, as its refresh token does.")


@router.post("/step-up", summary="Prove once more who you are", dependencies=[per_user(STEP_UP)])
@raises(Kind.UNAUTHENTICATED, "session.ended")
@raises(Kind.UNAVAILABLE, "auth.signing_key_missing")
async def post_step_up(
    body: StepUpRequest, user: CurrentUser, resources: UseResources, own_password: OwnPassword
) -> StepUpAnswer:
    """What routes ask for by `401` `token.step_up_required`: their challenge says how fresh it must be."""
    if user.session_id is None:
        # a legacy token is of no session that could be raised
        raise session_ended()
    now = resources.clock()
    outcome = await step_up(
        resources.database,
        resources.hashing,
        resources.macs,
        own_password(body.password),
        session_id=user.session_id,
        now=now,
        new_id=resources.new_id,
    )
    match outcome:
        case StepUpRefusal.WRONG:
            raise password_wrong()
        case StepUpRefusal.ENDED:
            raise session_ended()
        case granted:
            issued = await resources.tokens.issue(granted, now=now)
            return StepUpAnswer(
                access_token=issued.access_token,
                expires_in=issued.expires_in,
                session_id=issued.session_id,
            )
