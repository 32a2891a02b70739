from typing import ClassVar
from uuid import UUID

from common.contracts.envelope import Payload
from common.contracts.topics import CALENDARS, Topic


class CategoriesCreated(Payload):
    """A user's default categories are there to be used."""

    event_type: ClassVar[str] = "categories.created"
    topic: ClassVar[Topic] = CALENDARS
    personal: ClassVar[frozenset[str]] = frozenset({"names"})

    user_id: UUID
    """Whose categories they are."""
    names: tuple[str, ...]
    """What they are called, in the order of the list."""
