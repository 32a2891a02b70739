from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field

from calendar_sync_service.storage.categories import read_categories
from common.http.permissions import CurrentUser
from common.http.resources import UseDatabase

router = APIRouter(tags=["categories"])


class CategoryAnswer(BaseModel):
    id: UUID = Field(description="Stays when the category is renamed.")
    name: str = Field(examples=["Work"], description="What the user calls it.")
    colour: str = Field(examples=["#3b6fd4"], description="Red, green and blue in hexadecimal.")
    position: int = Field(description="Its place in the list, from 0.", examples=[0])


class CategoriesAnswer(BaseModel):
    items: list[CategoryAnswer] = Field(description="In their order.")
    next_cursor: str | None = Field(default=None, description="Where the next page begins; null on the last.")


@router.get("/categories", summary="The caller's event categories, in their order")
async def get_categories(user: CurrentUser, database: UseDatabase) -> CategoriesAnswer:
    """Empty until the registration has arrived here, which takes moments."""
    async with database.read_transaction(as_user=user.user_id) as connection:
        categories = await read_categories(connection, user_id=user.user_id)
    return CategoriesAnswer(items=[CategoryAnswer(**vars(category)) for category in categories])
