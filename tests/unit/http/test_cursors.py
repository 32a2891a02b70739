import base64
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from common.errors import QuartetError
from common.http.app import create_app
from common.http.cursors import Cursors, Page, Paging, PublicPaging, UsersPaging
from common.ids import new_id
from tests.support.callers import Callers, signed_in
from tests.support.listening import client_of

router = APIRouter()
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
ADA, GRACE = new_id(), new_id()
KEY, NEWER_KEY = b"k" * 32, b"n" * 32
BOUND = b"12345678"


class NotePlace(NamedTuple):
    written_at: datetime
    id: UUID


class ChangedPlace(NamedTuple):
    changed_at: datetime
    id: UUID


# two of each moment: the id decides among them, as in an ORDER BY of both columns
NOTES = [NotePlace(NOON + timedelta(microseconds=number // 2), new_id()) for number in range(7)]


def notes_after(place: NotePlace | None, rows: int) -> list[NotePlace]:
    return [note for note in sorted(NOTES) if place is None or note > place][:rows]


def page_of(paging: Paging) -> Page[UUID]:
    found = notes_after(paging.after(NotePlace), paging.rows)
    return paging.page(found, place=lambda note: note, item=lambda note: note.id)


@router.get("/notes")
async def get_notes(paging: UsersPaging, word: str = "", kind: str = "") -> Page[UUID]:
    return page_of(paging)


@router.get("/shelves/{shelf}/notes")
async def get_others(paging: UsersPaging, shelf: int = 0) -> Page[UUID]:
    return page_of(paging)


@router.get("/catalogue")
async def get_catalogue(paging: PublicPaging) -> Page[UUID]:
    return page_of(paging)


@pytest.fixture(scope="module")
def app() -> FastAPI:
    app = create_app(title="Notes", service="notes", routers=[router], prefix="")
    app.state.access_tokens = Callers()
    app.state.cursors = Cursors([KEY])
    return app


@pytest.fixture(scope="module")
async def client(app: FastAPI) -> AsyncGenerator[httpx.AsyncClient]:
    async with client_of(app) as opened:
        yield opened


async def ask(client: httpx.AsyncClient, path: str, user: UUID = ADA, **query: object) -> httpx.Response:
    return await client.get(path, params=query, headers=signed_in(user))


async def cursor_of(
    client: httpx.AsyncClient, path: str = "/notes", user: UUID = ADA, **query: object
) -> str:
    return (await ask(client, path, user, limit=2, **query)).json()["next_cursor"]


def fault_of(answer: httpx.Response) -> tuple[int, str, str]:
    (fault,) = answer.json()["errors"]
    return answer.status_code, fault["pointer"], fault["code"]


class TestAList:
    @pytest.mark.parametrize("limit", [1, 2, 3, 6, 7, 8])
    async def test_is_read_to_its_end_without_gap_or_repetition(self, client, limit: int):
        read: list[str] = []
        query: dict[str, object] = {}
        while query.get("cursor", "first") is not None:
            page = (await ask(client, "/notes", limit=limit, **query)).json()
            read += page["items"]
            query = {"cursor": page["next_cursor"]}

        assert read == [str(note.id) for note in sorted(NOTES)]

    async def test_has_no_cursor_on_its_last_page(self, client: httpx.AsyncClient):
        page = (await ask(client, "/notes", limit=7)).json()

        assert (len(page["items"]), page["next_cursor"]) == (7, None)

    @pytest.mark.parametrize("limit", [0, 201, -1, "many"])
    async def test_is_not_asked_for_too_much_or_too_little(self, client, limit: object):
        status, pointer, _ = fault_of(await ask(client, "/notes", limit=limit))

        assert (status, pointer) == (422, "?limit")

    async def test_may_change_its_limit_between_pages(self, client: httpx.AsyncClient):
        cursor = await cursor_of(client)

        assert (await ask(client, "/notes", limit=50, cursor=cursor)).status_code == 200

    async def test_of_nobody_has_cursors_too(self, client: httpx.AsyncClient):
        cursor = await cursor_of(client, "/catalogue")

        assert (await ask(client, "/catalogue", cursor=cursor)).status_code == 200


class TestACursor:
    async def test_of_another_user_is_refused(self, client: httpx.AsyncClient):
        cursor = await cursor_of(client, user=ADA)

        answer = await ask(client, "/notes", user=GRACE, cursor=cursor)

        assert fault_of(answer) == (422, "?cursor", "cursor.of_another_list")

    @pytest.mark.parametrize("path", ["/shelves/1/notes", "/catalogue", "/shelves/2/notes"])
    async def test_of_another_list_is_refused(self, client: httpx.AsyncClient, path: str):
        elsewhere = await cursor_of(client, path)

        here = await ask(client, "/notes", cursor=elsewhere)
        there = await ask(client, path, cursor=elsewhere)
        neighbour = await ask(client, "/shelves/3/notes", cursor=elsewhere)

        assert there.status_code == 200
        assert fault_of(here) == fault_of(neighbour) == (422, "?cursor", "cursor.of_another_list")

    async def test_of_another_filter_is_refused(self, client: httpx.AsyncClient):
        cursor = await cursor_of(client, word="a", kind="b")

        same = await ask(client, "/notes", kind="b", word="a", cursor=cursor)
        other = await ask(client, "/notes", word="b", kind="a", cursor=cursor)
        without = await ask(client, "/notes", cursor=cursor)

        assert same.status_code == 200
        assert fault_of(other) == fault_of(without) == (422, "?cursor", "cursor.of_another_list")

    def test_of_another_order_is_refused(self):
        """A release that sorts by another column would read a place of the one before as its own."""
        scope = ("/notes", str(ADA))
        before = Paging(1, None, Cursors([KEY]), scope)
        page = before.page(NOTES, place=lambda note: ChangedPlace(*note), item=lambda note: note.id)
        after = Paging(1, page.next_cursor, Cursors([KEY]), scope)

        assert after.after(ChangedPlace) == ChangedPlace(*NOTES[0])
        with pytest.raises(QuartetError) as refusal:
            after.after(NotePlace)
        assert [fault.code for fault in refusal.value.faults] == ["cursor.of_another_list"]

    @pytest.mark.parametrize("cursor", ["", "x", "AAAA", "é", "=" * 8, "A" * 1024, "A" * 1025, "AQ" * 40])
    async def test_that_nobody_gave_is_refused(self, client: httpx.AsyncClient, cursor: str):
        status, pointer, _ = fault_of(await ask(client, "/notes", cursor=cursor))

        assert (status, pointer) == (422, "?cursor")

    @given(st.binary(max_size=60), st.data())
    def test_with_any_bit_changed_is_refused(self, place: bytes, data: st.DataObject):
        cursors = Cursors([KEY])
        cursor = cursors.seal(place, bound_to=BOUND)
        raw = bytearray(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
        forged = base64.urlsafe_b64encode(raw).decode().rstrip("=")

        assert cursors.open(cursor, bound_to=BOUND) == place
        with pytest.raises(QuartetError) as refusal:
            cursors.open(forged, bound_to=BOUND)
        assert [fault.code for fault in refusal.value.faults] == ["cursor.invalid"]

    @given(st.binary(max_size=60))
    def test_cut_off_anywhere_is_refused(self, place: bytes):
        cursor = Cursors([KEY]).seal(place, bound_to=BOUND)

        for length in range(len(cursor)):
            with pytest.raises(QuartetError, match=r"request\.invalid"):
                Cursors([KEY]).open(cursor[:length], bound_to=BOUND)

    def test_signed_with_another_key_is_refused(self):
        cursor = Cursors([NEWER_KEY]).seal(b"place", bound_to=BOUND)

        with pytest.raises(QuartetError, match=r"request\.invalid"):
            Cursors([KEY]).open(cursor, bound_to=BOUND)

    def test_keeps_every_microsecond(self):
        """A place that is rounded would repeat or hide rows."""
        paging = Paging(1, None, Cursors([KEY]), ())
        note = NotePlace(NOON + timedelta(microseconds=123_457), ADA)
        page = paging.page([note, note], place=lambda row: row, item=lambda row: row.id)

        assert Paging(1, page.next_cursor, Cursors([KEY]), ()).after(NotePlace) == note


class TestKeys:
    def test_may_be_changed_while_cursors_are_about(self):
        cursor = Cursors([KEY]).seal(b"place", bound_to=BOUND)

        assert Cursors([NEWER_KEY, KEY]).open(cursor, bound_to=BOUND) == b"place"

    def test_sign_with_the_first(self):
        cursor = Cursors([NEWER_KEY, KEY]).seal(b"place", bound_to=BOUND)

        assert Cursors([NEWER_KEY]).open(cursor, bound_to=BOUND) == b"place"

    def test_come_from_the_settings_or_are_made_for_the_process(self):
        given_key = SecretStr(base64.b64encode(KEY).decode())
        cursor = Cursors([KEY]).seal(b"place", bound_to=BOUND)

        assert Cursors.from_settings([given_key], spare=NEWER_KEY).open(cursor, bound_to=BOUND) == b"place"
        assert Cursors.from_settings([], spare=KEY).open(cursor, bound_to=BOUND) == b"place"

    def test_are_needed(self):
        with pytest.raises(ValueError, match="a key is needed"):
            Cursors([])
