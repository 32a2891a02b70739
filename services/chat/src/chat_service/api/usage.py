from datetime import date

from fastapi import APIRouter
from pydantic import BaseModel, Field

from chat_service.domain.errors import learner_not_ready
from chat_service.domain.weeks import week_start
from chat_service.storage.usage import read_usage
from common.errors import Kind
from common.http.documented import raises
from common.http.permissions import CurrentUser
from common.http.resources import UseClock, UseDatabase

router = APIRouter(tags=["usage"])


class UsageAnswer(BaseModel):
    week: date = Field(description="The Monday that the week begins with, in UTC.")
    messages: int = Field(description="Messages that the caller has sent.", examples=[12])
    tokens: int = Field(
        description="Tokens that models have read and written for the caller.", examples=[3400]
    )


@router.get("/usage", summary="What the caller has used this week")
@raises(Kind.NOT_FOUND, "chat.not_ready")
async def get_usage(user: CurrentUser, database: UseDatabase, clock: UseClock) -> UsageAnswer:
    week = week_start(clock())
    async with database.read_transaction(as_user=user.user_id) as connection:
        usage = await read_usage(connection, user_id=user.user_id, week=week)
    if usage is None:
        raise learner_not_ready()
    return UsageAnswer(week=week, messages=usage.messages, tokens=usage.tokens)
