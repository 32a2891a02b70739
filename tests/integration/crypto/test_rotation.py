import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import asyncpg
import httpx
import pytest
from structlog.testing import capture_logs

from auth_service.storage.tables import PRIVATE_SEALED, SCHEMA
from common.crypto import CannotOpenError, Cipher
from common.crypto.api import keys_router
from common.crypto.rotation import Sealing, count_rows, ensure_keys_are_there, rotation_kind
from common.errors import QuartetError
from common.http.app import create_app
from common.http.connections import PEER
from common.jobs import JobKind, Runner
from tests.support.waiting import eventually

OLD, NEW = bytes(range(32)), bytes(range(32, 64))
OLDER = Cipher({"2025": OLD}, active="2025")
RING = Cipher({"2026": NEW, "2025": OLD}, active="2026")
NEWER = Cipher({"2026": NEW}, active="2026")
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
_INSERT = """
insert into auth.signing_keys (kid, public_jwk, private_sealed, state) values ($1, '{}', $2, 'retiring')
"""
_KEEPS_SOMEBODY_WAITING = """
select exists (select from pg_locks where not granted and pg_backend_pid() = any(pg_blocking_pids(pid)))
"""


def text_of(kid: str) -> bytes:
    return f"secret of {kid}".encode()


class Keys:
    """auth's signing keys, as rows with one sealed column."""

    def __init__(self, superuser: asyncpg.Connection) -> None:
        self._superuser = superuser

    async def fill(self, number: int, cipher: Cipher = OLDER, prefix: str = "k") -> list[str]:
        kids = [f"{prefix}{index:03}" for index in range(number)]
        rows = [(kid, cipher.seal(text_of(kid), place=PRIVATE_SEALED.place(kid))) for kid in kids]
        await self._superuser.executemany(_INSERT, rows)
        return kids

    async def sealed(self) -> dict[str, bytes]:
        rows = await self._superuser.fetch("select kid, private_sealed from auth.signing_keys order by kid")
        return {row["kid"]: row["private_sealed"] for row in rows}

    async def opened(self, cipher: Cipher = NEWER) -> dict[str, bytes]:
        return {
            kid: cipher.open(sealed, place=PRIVATE_SEALED.place(kid))
            for kid, sealed in (await self.sealed()).items()
        }

    async def write(self, kid: str, sealed: bytes) -> None:
        await self._superuser.execute(
            "update auth.signing_keys set private_sealed = $2 where kid = $1", kid, sealed
        )


@pytest.fixture
def keys(superuser) -> Keys:
    return Keys(superuser)


@pytest.fixture
def sealing() -> Sealing:
    return Sealing(RING, SCHEMA.sealed)


@pytest.fixture
async def client(database, sealing):
    app = create_app(title="worker", service="auth", root_routers=[keys_router(sealing)])
    app.state.database = database
    app.state.clock = lambda: NOW

    async def as_operator(scope, receive, send):
        await app(scope | {PEER: "operator"}, receive, send)

    transport = httpx.ASGITransport(app=as_operator)
    async with httpx.AsyncClient(transport=transport, base_url="https://worker") as client:
        yield client


@pytest.fixture
def rotate(database, sealing, client, superuser):
    """Asks for a rotation and has it carried out; the row of its job."""

    @asynccontextmanager
    async def running(*kinds: JobKind):
        stop = asyncio.Event()
        task = asyncio.create_task(Runner(database, kinds, poll_seconds=0.02).run(stop))
        yield
        stop.set()
        await task

    async def ended(job_id: str) -> asyncpg.Record:
        async def finished() -> Any:
            return await superuser.fetchrow(
                "select * from auth.jobs where id = $1 and finished_at is not null", job_id
            )

        return await eventually(finished)

    async def run(kind: JobKind | None = None) -> asyncpg.Record:
        asked = (await client.post("/internal/v1/keys/rotate", json={})).json()
        async with running(kind or rotation_kind(database, sealing, batch=7)):
            return await ended(asked["job_id"])

    return run


class TestRotation:
    async def test_seals_everything_anew_with_the_active_key(self, keys, rotate):
        kids = await keys.fill(20)

        job = await rotate()

        assert await keys.opened() == {kid: text_of(kid) for kid in kids}
        assert (job["state"], json.loads(job["result"])) == ("succeeded", {"sealed": 20, "left": 0})
        assert json.loads(job["progress"])["done"] == json.loads(job["progress"])["total"] == 20

    async def test_leaves_alone_what_the_active_key_has_sealed(self, keys, rotate):
        await keys.fill(3, NEWER)
        before = await keys.sealed()
        await keys.fill(1, prefix="old")

        await rotate()

        assert before.items() <= (await keys.sealed()).items()

    async def test_goes_on_where_an_earlier_run_was_stopped(self, keys, rotate, database, sealing):
        await keys.fill(20)
        batches = []
        whole = rotation_kind(database, sealing, batch=7)

        async def breaks_off(job, control):
            async def save(tx, done, total=None, *, checkpoint):
                await type(control).save(control, tx, done, total, checkpoint=checkpoint)
                batches.append(checkpoint["after"])
                if len(batches) == 2:
                    raise ConnectionError

            control.save = save
            return await whole.body(job, control)

        quick = JobKind(whole.name, breaks_off, backoff=type(whole.backoff)(first_seconds=0.01))
        job = await rotate(quick)

        # the second batch was rolled back with its checkpoint, and done again; each column tells its end
        assert [after for after in batches if after] == ["k006", "k013", "k013", "k019"]
        assert json.loads(job["result"]) == {"sealed": 20, "left": 0}
        assert len(await keys.opened()) == 20

    async def test_does_not_undo_what_is_written_meanwhile(self, keys, rotate, installation):
        await keys.fill(2)
        fresh = NEWER.seal(b"a newer secret", place=PRIVATE_SEALED.place("k001"))
        writer = await asyncpg.connect(installation.superuser_url())
        async with writer.transaction():
            await Keys(writer).write("k001", fresh)
            rotating = asyncio.create_task(rotate())
            await eventually(lambda: writer.fetchval(_KEEPS_SOMEBODY_WAITING))
        await writer.close()

        job = await rotating

        assert await keys.opened() == {"k000": text_of("k000"), "k001": b"a newer secret"}
        assert json.loads(job["result"]) == {"sealed": 1, "left": 0}

    async def test_passes_what_does_not_open_and_names_it(self, keys, rotate):
        await keys.fill(3)
        moved = OLDER.seal(b"of another row", place=PRIVATE_SEALED.place("k000"))
        await keys.write("k001", moved)

        with capture_logs() as logs:
            job = await rotate()

        assert (job["state"], job["error"].partition(":")[0]) == ("failed", "keys.cannot_open")
        assert "2 values were sealed anew, 1 do not open" in job["error"]
        [told] = [line for line in logs if line["event"] == "keys.cannot_open"]
        assert (told["column"], told["row"]) == ("signing_keys.private_sealed", "k001")
        assert (await keys.sealed())["k001"] == moved


class TestASealedValue:
    async def test_does_not_open_in_another_row_or_column(self, keys):
        await keys.fill(2)
        sealed = await keys.sealed()
        await keys.write("k000", sealed["k001"])

        with pytest.raises(CannotOpenError, match="another place"):
            await keys.opened(RING)
        with pytest.raises(CannotOpenError, match="another place"):
            RING.open(sealed["k001"], place=replace(PRIVATE_SEALED, column="public_jwk").place("k001"))


class TestKeysApi:
    async def test_tells_how_many_rows_need_which_key_and_no_key(self, keys, client):
        await keys.fill(3)
        await keys.fill(2, NEWER, prefix="n")
        await keys.fill(1, Cipher({"2024": OLD}, active="2024"), prefix="o")

        answer = await client.get("/internal/v1/keys")

        column = "signing_keys.private_sealed"
        assert answer.json()["items"] == [
            {"id": "2024", "active": False, "known": False, "rows": {column: 1}},
            {"id": "2025", "active": False, "known": True, "rows": {column: 3}},
            {"id": "2026", "active": True, "known": True, "rows": {column: 2}},
        ]

    async def test_tells_beforehand_how_much_is_to_do_and_changes_nothing(self, keys, client, superuser):
        await keys.fill(3)
        before = await keys.sealed()

        answer = await client.post("/internal/v1/keys/rotate", json={"dry_run": True})

        assert answer.json() == {"dry_run": True, "rows": 3, "job_id": None}
        assert await keys.sealed() == before
        assert await superuser.fetchval("select count(*) from auth.jobs") == 0

    async def test_asks_for_one_rotation_at_a_time_and_leaves_a_trace(self, keys, client, superuser):
        await keys.fill(3)

        first = (await client.post("/internal/v1/keys/rotate", json={})).json()
        second = (await client.post("/internal/v1/keys/rotate", json={})).json()

        assert first == second
        audited = await superuser.fetch("select actor, action, at from auth.audit_log")
        assert {tuple(row) for row in audited} == {("operator", "keys.rotation_asked", NOW)}

    async def test_has_nothing_to_rotate_when_all_is_sealed_with_the_active_key(self, keys, client):
        await keys.fill(1, NEWER)

        answer = await client.post("/internal/v1/keys/rotate", json={})

        assert answer.json() == {"dry_run": False, "rows": 0, "job_id": None}


class TestAKeyThatIsStillUsed:
    async def test_is_missed_at_start(self, keys, database):
        await keys.fill(3)

        with pytest.raises(
            QuartetError, match="3 values are sealed with key 2025, which is not among the keys"
        ):
            await ensure_keys_are_there(database, Sealing(NEWER, SCHEMA.sealed))

    async def test_is_missed_no_more_after_a_rotation(self, keys, database, rotate):
        await keys.fill(3)
        await rotate()

        await ensure_keys_are_there(database, Sealing(NEWER, SCHEMA.sealed))
        assert (await count_rows(database, SCHEMA.sealed)).total == {"2026": 3}
