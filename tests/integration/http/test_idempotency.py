import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from uuid import UUID

import asyncpg
import httpx
import pytest
import sqlalchemy as sa

from common.housekeeping import Housekeeping, common_tasks
from common.http.app import create_app
from common.ids import new_id
from common.postgres.context import Context
from common.postgres.engine import Database, Transaction
from common.telemetry.logging import configure_logging
from tests.integration.http.keyed_notes import Notes
from tests.support.callers import Callers, signed_in
from tests.support.databases import Databases
from tests.support.listening import client_of
from tests.support.waiting import eventually, happens

ADA, GRACE = new_id(), new_id()


class Written:
    def __init__(self, superuser: asyncpg.Connection) -> None:
        self._superuser = superuser

    async def notes(self) -> list[str]:
        rows = await self._superuser.fetch("select action from auth.audit_log order by id")
        return [row["action"] for row in rows]

    async def keys(self) -> list[str]:
        return [row["key"] for row in await self._superuser.fetch("select key from auth.idempotency_keys")]


@pytest.fixture(autouse=True)
def logged() -> None:
    """As in a process: without it the console's traceback of every bug takes seconds to draw."""
    configure_logging(service="test", process="api")


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture
def written(superuser: asyncpg.Connection) -> Written:
    return Written(superuser)


@pytest.fixture
def restarted(
    notes: Notes, databases: Databases
) -> Callable[[], AbstractAsyncContextManager[httpx.AsyncClient]]:
    """Each time a process of its own: another application, another pool."""

    @asynccontextmanager
    async def process() -> AsyncGenerator[httpx.AsyncClient]:
        app = create_app(title="Notes", service="notes", routers=[notes.router], prefix="")
        app.state.access_tokens = Callers()
        app.state.database = databases("auth", "api")
        async with client_of(app) as client:
            yield client

    return process


@pytest.fixture
async def client(restarted) -> AsyncGenerator[httpx.AsyncClient]:
    async with restarted() as opened:
        yield opened


async def post(
    client: httpx.AsyncClient, key: str | None, text: str = "hello", *, user: UUID = ADA, path: str = "/notes"
) -> httpx.Response:
    headers = signed_in(user) | ({} if key is None else {"Idempotency-Key": key})
    return await client.post(path, json={"text": text}, headers=headers)


def code_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


class TestARequestWithAKey:
    async def test_sent_again_has_no_second_effect_and_the_same_answer(self, client, written: Written):
        first = await post(client, "k1")

        again = await post(client, "k1")

        assert await written.notes() == ["hello"]
        assert (first.status_code, again.status_code) == (201, 201)
        assert again.content == first.content
        for name in ("content-type", "etag", "location"):
            assert again.headers[name] == first.headers[name]

    async def test_says_when_its_answer_was_given_before(self, client):
        first, again = await post(client, "k1"), await post(client, "k1")

        assert "idempotency-replayed" not in first.headers
        assert again.headers["idempotency-replayed"] == "true"

    async def test_is_answered_the_same_after_a_restart(self, restarted, written: Written):
        async with restarted() as client:
            first = await post(client, "k1")
        async with restarted() as client:
            again = await post(client, "k1")

        assert again.content == first.content
        assert await written.notes() == ["hello"]

    @pytest.mark.parametrize(
        ("text", "path"), [("other", "/notes"), ("hello", "/shelf/notes"), ("hello", "/notes?draft=1")]
    )
    async def test_and_other_content_is_refused(self, client, written: Written, text: str, path: str):
        await post(client, "k1")

        answer = await post(client, "k1", text, path=path)

        assert code_of(answer) == (409, "idempotency_key_reused")
        assert await written.notes() == ["hello"]

    async def test_is_another_request_than_another_users_with_the_same_key(self, client, written: Written):
        adas = await post(client, "k1", "ada's")

        graces = await post(client, "k1", "grace's", user=GRACE)

        assert graces.status_code == 201
        assert graces.json()["id"] != adas.json()["id"]
        assert await written.notes() == ["ada's", "grace's"]

    async def test_keeps_no_header_but_those_that_describe_the_answer(self, client):
        await post(client, "k1")

        assert "x-trace" not in (await post(client, "k1")).headers

    async def test_within_a_transaction_of_the_routes_own_is_the_same(self, client, written: Written):
        first = await post(client, "k1", path="/keyed-notes")
        again = await post(client, "k1", path="/keyed-notes")

        assert again.content == first.content
        assert await written.notes() == ["hello"]


class TestTwoRequestsWithOneKeyAtOnce:
    async def test_have_one_effect(self, client, notes: Notes, written: Written):
        """The second does not wait with a connection of the pool in its hand."""
        let_go = asyncio.Event()

        async def until_let_go(_: Transaction) -> None:
            await happens(let_go)

        notes.before_commit = until_let_go
        first = asyncio.create_task(post(client, "k1"))
        await happens(notes.entered)

        meanwhile = await post(client, "k1")
        let_go.set()
        done = await first
        after = await post(client, "k1")

        assert code_of(meanwhile) == (409, "idempotency_key_in_flight")
        assert int(meanwhile.headers["retry-after"]) > 0
        assert (done.status_code, after.content) == (201, done.content)
        assert await written.notes() == ["hello"]

    async def test_in_two_processes_and_in_any_order_have_one_effect(self, restarted, written: Written):
        async with restarted() as one, restarted() as other:
            for number in range(10):
                answers = await asyncio.gather(*(post(client, f"k{number}") for client in (one, other) * 3))

                given = {answer.content for answer in answers if answer.status_code == 201}
                assert len(given) == 1
                assert {code_of(answer) for answer in answers if answer.status_code != 201} <= {
                    (409, "idempotency_key_in_flight")
                }

        assert len(await written.notes()) == 10


class TestACrash:
    async def test_before_the_commit_leaves_neither_effect_nor_answer(
        self, client, notes: Notes, written: Written, superuser: asyncpg.Connection
    ):
        async def lose_the_connection(tx: Transaction) -> None:
            pid = (await tx.execute(sa.text("SELECT pg_backend_pid()"))).scalar_one()
            await superuser.execute("select pg_terminate_backend($1)", pid)

        notes.before_commit = lose_the_connection
        lost = await post(client, "k1")
        after_the_crash = (await written.notes(), await written.keys())
        notes.before_commit = notes.nothing
        again = await post(client, "k1")

        assert lost.status_code == 503
        assert after_the_crash == ([], [])
        assert again.status_code == 201
        assert "idempotency-replayed" not in again.headers
        assert await written.notes() == ["hello"]

    async def test_of_a_caller_who_hangs_up_before_the_answer_is_made_good(
        self, restarted, notes: Notes, written: Written
    ):
        async with restarted() as client:
            sending = asyncio.create_task(post(client, "k1"))
            await happens(notes.entered)
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
        await eventually(written.keys)

        async with restarted() as client:
            again = await post(client, "k1")

        assert again.headers["idempotency-replayed"] == "true"
        assert await written.notes() == ["hello"]


class TestARefusal:
    async def test_leaves_nothing_and_the_key_is_free(self, client, written: Written):
        refused = await post(client, "k1", path="/refusals")
        left = (await written.notes(), await written.keys())

        retried = await post(client, "k1")

        assert code_of(refused) == (409, "notes.full")
        assert left == ([], [])
        assert retried.status_code == 201


class TestAnAnswer:
    async def test_with_a_secret_is_not_kept(self, client, written: Written, superuser: asyncpg.Connection):
        first = await post(client, "k1", path="/secrets")
        again = await post(client, "k1", path="/secrets")

        kept = await superuser.fetchval("select body from auth.idempotency_keys")
        assert code_of(again) == (409, "idempotency_answer_not_kept")
        assert again.headers["location"] == first.headers["location"]
        assert kept is None
        assert await written.notes() == ["hello"]

    async def test_too_large_to_be_kept_undoes_its_effect(self, client, written: Written):
        answer = await post(client, "k1", path="/large")

        assert answer.status_code == 500
        assert (await written.notes(), await written.keys()) == ([], [])


class TestAKey:
    async def test_is_not_needed_where_it_is_not_required(self, client, written: Written):
        await post(client, None)
        await post(client, None)

        assert await written.notes() == ["hello", "hello"]
        assert await written.keys() == []

    async def test_is_asked_for_where_it_is_required(self, client, written: Written):
        answer = await post(client, None, path="/keyed-notes")

        assert code_of(answer) == (400, "idempotency_key_missing")
        assert await written.notes() == []

    @pytest.mark.parametrize("key", ["x", "x" * 255, '"8e03978e-40d5-43dd-bc93-6894a57f9324"', "~!'"])
    async def test_may_be_any_visible_text(self, client, written: Written, key: str):
        await post(client, key)

        assert await written.keys() == [key]

    @pytest.mark.parametrize("key", ["", "a b", "x" * 256, "a\tb"])
    async def test_that_is_no_key_is_refused(self, client, written: Written, key: str):
        answer = await post(client, key)

        assert code_of(answer) == (400, "idempotency_key_malformed")
        assert await written.notes() == []

    async def test_that_stands_twice_is_refused(self, client):
        headers = [*signed_in(ADA).items(), ("Idempotency-Key", "k1"), ("Idempotency-Key", "k2")]

        answer = await client.post("/notes", json={"text": "hello"}, headers=headers)

        assert code_of(answer) == (400, "idempotency_key_malformed")


class TestTheTable:
    async def test_shows_a_user_their_own_keys_only(self, client, databases: Databases):
        await post(client, "k1", user=ADA)
        database: Database = databases("auth", "api")

        async with database.read_transaction(as_user=GRACE) as connection:
            assert await connection.fetch("SELECT key FROM idempotency_keys") == []

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE idempotency_keys SET status = 200",
            "DELETE FROM idempotency_keys",
            "INSERT INTO idempotency_keys (created_at) VALUES ('infinity')",
        ],
    )
    async def test_is_only_added_to_by_users(self, databases: Databases, statement: str):
        """But for auth, whose api erases whoever asks for it."""
        database: Database = databases("profile", "api")

        with pytest.raises(Exception, match="permission denied"):
            async with database.read_transaction(as_user=ADA) as connection:
                await connection.execute(statement)

    async def test_is_purged_of_what_is_past_its_time(
        self, client, databases: Databases, written: Written, superuser: asyncpg.Connection
    ):
        await post(client, "old")
        await superuser.execute("update auth.idempotency_keys set created_at = now() - interval '49 hours'")
        await post(client, "new")

        await Housekeeping(databases("auth", "worker"), common_tasks()).once()

        assert await written.keys() == ["new"]
        assert (await post(client, "old")).status_code == 201
        assert await written.notes() == ["hello", "hello", "hello"]

    async def test_is_the_systems_to_erase(self, client, databases: Databases, written: Written):
        await post(client, "k1")

        async with databases("auth", "worker").transaction(as_user=Context.SYSTEM) as tx:
            await tx.execute(
                sa.text("DELETE FROM idempotency_keys WHERE user_id = :user_id"), {"user_id": ADA}
            )

        assert await written.keys() == []
