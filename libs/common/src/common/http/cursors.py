"""Lists page by page: a cursor is the last row's place in the order, signed and bound to its list.

A place, not a number of rows: what is inserted or deleted meanwhile neither repeats nor hides anything.
"""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Final, Generic, TypeVar, cast
from uuid import UUID

from fastapi import Depends, Query, Request
from pydantic import BaseModel, Field, SecretStr, TypeAdapter, ValidationError

from common.errors import Fault, QuartetError
from common.http.permissions import CurrentUser
from common.http.validation import invalid

MOST_ITEMS: Final = 200
_USUAL_ITEMS: Final = 50
_FORMAT: Final = b"\x01"
_SIGNED_BYTES: Final = 16
_BOUND_BYTES: Final = 8
_MOST_CHARACTERS: Final = 1024

T = TypeVar("T")
Row = TypeVar("Row")
PlaceT = TypeVar("PlaceT", bound=tuple[Any, ...])


class Page(BaseModel, Generic[T]):
    """A part of a list."""

    items: list[T] = Field(description="In the list's order.")
    next_cursor: str | None = Field(
        description="Given as `cursor`, the next part; null when this was the last. Not to be read or kept."
    )


class Cursors:
    """The first key signs, every key is honoured: a new one is put first and the old one kept for a while."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys:
            raise ValueError("cursors are signed: a key is needed")
        self._keys = tuple(keys)

    @classmethod
    def from_settings(cls, keys: Sequence[SecretStr], *, spare: bytes) -> "Cursors":
        """`keys` is HTTP_CURSOR_KEYS. Without any, `spare` signs: cursors then end with the process."""
        return cls([base64.b64decode(key.get_secret_value()) for key in keys] or [spare])

    def seal(self, place: bytes, *, bound_to: bytes) -> str:
        content = _FORMAT + bound_to + place
        return base64.urlsafe_b64encode(content + _sign(self._keys[0], content)).decode().rstrip("=")

    def open(self, cursor: str, *, bound_to: bytes) -> bytes:
        try:
            raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise _refused("cursor.invalid") from None
        content, signature = raw[:-_SIGNED_BYTES], raw[-_SIGNED_BYTES:]
        if not content.startswith(_FORMAT) or not any(
            hmac.compare_digest(_sign(key, content), signature) for key in self._keys
        ):
            raise _refused("cursor.invalid")
        start = len(_FORMAT) + _BOUND_BYTES
        if content[len(_FORMAT) : start] != bound_to:
            raise _refused("cursor.of_another_list")
        return content[start:]


@dataclass(frozen=True, slots=True)
class Paging:
    """Which part of its list a request asks for."""

    limit: int
    cursor: str | None
    cursors: Cursors
    scope: tuple[str, ...]
    """What a cursor is bound to besides its order: path, filters, user."""

    @property
    def rows(self) -> int:
        """To be read: one more than shown tells whether there is another page."""
        return self.limit + 1

    def after(self, order: type[PlaceT]) -> PlaceT | None:
        """The place of the last row that was shown; `order` is a NamedTuple of the columns sorted by."""
        if self.cursor is None:
            return None
        place = self.cursors.open(self.cursor, bound_to=self._bound_to(order))
        try:
            return _adapter(order).validate_json(place)
        except ValidationError:
            raise _refused("cursor.invalid") from None

    def page(
        self, found: Sequence[Row], *, place: Callable[[Row], PlaceT], item: Callable[[Row], T]
    ) -> Page[T]:
        shown = found[: self.limit]
        more = len(found) > len(shown)
        return Page[Any](
            items=[item(row) for row in shown], next_cursor=self._seal(place(shown[-1])) if more else None
        )

    def _seal(self, place: tuple[Any, ...]) -> str:
        order = type(place)
        return self.cursors.seal(_adapter(order).dump_json(place), bound_to=self._bound_to(order))

    def _bound_to(self, order: type[tuple[Any, ...]]) -> bytes:
        columns = cast("tuple[str, ...]", getattr(order, "_fields", ()))
        content = json.dumps([self.scope, columns])
        return hashlib.sha256(content.encode()).digest()[:_BOUND_BYTES]


_Limit = Annotated[int, Query(ge=1, le=MOST_ITEMS, description="Most items of the answer.")]
_Cursor = Annotated[
    str | None,
    Query(max_length=_MOST_CHARACTERS, description="`next_cursor` of the page before; none for the first."),
]


async def _public(request: Request, limit: _Limit = _USUAL_ITEMS, cursor: _Cursor = None) -> Paging:
    return _paging(request, limit, cursor, None)


async def _users(
    request: Request, user: CurrentUser, limit: _Limit = _USUAL_ITEMS, cursor: _Cursor = None
) -> Paging:
    return _paging(request, limit, cursor, user.user_id)


UsersPaging = Annotated[Paging, Depends(_users)]
"""Of a list that belongs to the caller: nobody else's cursor is taken."""

PublicPaging = Annotated[Paging, Depends(_public)]


def _paging(request: Request, limit: int, cursor: str | None, user_id: UUID | None) -> Paging:
    filters = sorted(
        f"{name}={value}"
        for name, value in request.query_params.multi_items()
        if name not in {"cursor", "limit"}
    )
    scope = (request.scope["path"], "" if user_id is None else str(user_id), *filters)
    return Paging(limit, cursor, request.app.state.cursors, scope)


@cache
def _adapter(order: type[PlaceT]) -> TypeAdapter[PlaceT]:
    return TypeAdapter(order)


def _sign(key: bytes, content: bytes) -> bytes:
    return hmac.digest(key, content, "sha256")[:_SIGNED_BYTES]


def _refused(code: str) -> QuartetError:
    why = {
        "cursor.invalid": "The cursor is none of ours; begin with the first page.",
        "cursor.of_another_list": "The cursor belongs to another list, filter or user.",
    }
    return invalid(Fault("?cursor", code, why[code]))
