"""A transaction around a request: what the caller is told is what the database keeps."""

import json

import pytest
import sqlalchemy as sa
from fastapi import APIRouter

from common.errors import Kind, QuartetError
from common.http.permissions import CurrentUser
from common.http.resources import UseDatabase
from common.http.transactions import OwnTransaction
from common.ids import new_id
from common.postgres.constraints import Constraint, Constraints
from common.telemetry.logging import configure_logging
from tests.integration.postgres.rows import count, write
from tests.support.little_app import client_of, little_app

CONSTRAINTS = Constraints(
    {"categories_user_id_name_key": Constraint("category.name_taken", "The name is taken.", "/name")}
)

router = APIRouter()


@router.get("/writes")
async def get_writes(user: CurrentUser, tx: OwnTransaction) -> str:
    await write(tx, user.user_id)
    return "written"


@router.get("/writes-and-raises")
async def get_writes_and_raises(user: CurrentUser, tx: OwnTransaction) -> str:
    await write(tx, user.user_id)
    raise QuartetError("thing.refused", "No.", kind=Kind.CONFLICT)


@router.get("/writes-and-answers-nonsense")
async def get_writes_and_answers_nonsense(user: CurrentUser, tx: OwnTransaction) -> int:
    await write(tx, user.user_id)
    return "no number"  # type: ignore[return-value] - the point


@router.get("/refuses/{reason}")
async def get_refuses(reason: str, user: CurrentUser, database: UseDatabase) -> str:
    """The use case returns its refusal; only here it becomes a problem."""

    async def use_case(tx) -> bool:
        await write(tx, user.user_id, f"{reason} was presented")
        return False

    if not await database.in_transaction(user.user_id, use_case):
        raise QuartetError("credentials.wrong", "Wrong.", kind=Kind.UNAUTHENTICATED)
    return "let in"


@router.get("/violates/{what}")
async def get_violates(what: str, user: CurrentUser, tx: OwnTransaction) -> str:
    statement = {
        "known": "INSERT INTO categories (id, user_id, name, colour, position)"
        " SELECT gen_random_uuid(), :user_id, 'Secret plans', '#000000', n FROM generate_series(1, 2) n",
        "unknown": "INSERT INTO categories (id, user_id, name, colour, position)"
        " SELECT gen_random_uuid(), :user_id, 'Secret plans', 'no colour', 1",
    }[what]
    await tx.execute(
        sa.text("INSERT INTO calendar_owners (user_id) VALUES (:user_id)"), {"user_id": user.user_id}
    )
    await tx.execute(sa.text(statement), {"user_id": user.user_id})
    return "written"


@pytest.fixture
def user():
    return new_id()


def app_of(database):
    return little_app(database, (router,))


class TestOwnTransaction:
    async def test_is_committed_before_the_answer_begins(self, pools, superuser, user):
        app, seen = app_of(pools("api")), []

        async def watched(scope, receive, send):
            async def look(message):
                seen.append((message["type"], await count(superuser)))
                await send(message)

            await app(scope, receive, look)

        async with client_of(watched, user) as client:
            answer = await client.get("/writes")

        assert (answer.status_code, answer.json()) == (200, "written")
        assert seen[0] == ("http.response.start", 1)

    @pytest.mark.parametrize("lost_at", ["its sending", "its answer"])
    async def test_whose_commit_is_lost_is_not_answered_as_done(self, proxy, through, user, lost_at):
        database = through(proxy.port, "api")
        losing = APIRouter()

        @losing.get("/loses")
        async def get_loses(user: CurrentUser, tx: OwnTransaction) -> str:
            await write(tx, user.user_id)
            proxy.doom(answers_only=lost_at == "its answer")
            return "written"

        async with client_of(little_app(database, (losing,)), user) as client:
            answer = await client.get("/loses")

        assert (answer.status_code, answer.json()["code"]) == (503, "database.unavailable")
        assert int(answer.headers["retry-after"]) > 0

    @pytest.mark.parametrize(
        ("path", "status"), [("/writes-and-raises", 409), ("/writes-and-answers-nonsense", 500)]
    )
    async def test_is_rolled_back_when_the_route_does_not_succeed(self, pools, superuser, user, path, status):
        async with client_of(app_of(pools("api")), user) as client:
            answer = await client.get(path)

        assert (answer.status_code, await count(superuser)) == (status, 0)

    async def test_is_refused_with_a_time_to_come_again_when_the_pool_is_full(self, pools, user):
        database = pools("api", pool_size=1, pool_wait_seconds=0.05)

        async with database.transaction(as_user=user), client_of(app_of(database), user) as client:
            answer = await client.get("/writes")

        assert (answer.status_code, answer.json()["code"]) == (503, "database.pool_exhausted")
        assert int(answer.headers["retry-after"]) > 0


class TestRefusalThatLeavesATrace:
    @pytest.mark.parametrize("reason", ["a wrong password", "a wrong code", "a used token"])
    async def test_is_answered_as_one_and_committed(self, pools, superuser, user, reason):
        async with client_of(app_of(pools("api")), user) as client:
            answer = await client.get(f"/refuses/{reason}")

        assert (answer.status_code, answer.json()["code"]) == (401, "credentials.wrong")
        assert await superuser.fetchval("select action from auth.audit_log") == f"{reason} was presented"


class TestViolatedConstraint:
    @pytest.fixture
    def client(self, databases, user):
        configure_logging(service="calendar", process="api")
        return client_of(app_of(databases("calendar", "api", constraints=CONSTRAINTS)), user)

    async def test_that_is_known_names_field_code_and_message(self, client):
        async with client:
            answer = await client.get("/violates/known")

        assert (answer.status_code, answer.json()["code"]) == (409, "category.name_taken")
        assert answer.json()["detail"] == "The name is taken."
        assert answer.json()["errors"] == [
            {"pointer": "/name", "code": "category.name_taken", "detail": "The name is taken."}
        ]

    async def test_that_is_unknown_is_a_500_whose_id_finds_it_in_the_log_without_sql(self, client, capsys):
        async with client:
            answer = await client.get("/violates/unknown")

        told = answer.json()
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        [line] = [line for line in lines if line["event"] == "internal_error"]
        assert (answer.status_code, told["code"]) == (500, "database.constraint")
        assert line["request_id"] == told["request_id"]
        assert "categories_colour_check" in line["exception"]
        for shown in (answer.text, str(line)):
            assert "INSERT" not in shown
            assert "Secret plans" not in shown
        assert "categories" not in answer.text
