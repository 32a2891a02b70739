import asyncio
from collections.abc import AsyncGenerator

import asyncpg
import httpx
import pytest
import sqlalchemy as sa
from fastapi import APIRouter, Response

from common.http.app import create_app
from common.http.etag import IfVersionRequired, changed_meanwhile, version_headers
from common.http.resources import UseDatabase
from common.ids import new_id
from common.postgres.context import Context
from tests.support.databases import Databases
from tests.support.listening import client_of

_READ = sa.text("SELECT version FROM profiles")
_CHANGE = sa.text("UPDATE profiles SET version = version + 1 WHERE version = :version RETURNING version")


class Profiles:
    """A PUT as a service writes it; both requests have read before either writes."""

    def __init__(self) -> None:
        self.both_have_read = asyncio.Barrier(2)
        self.router = APIRouter()
        self.router.put("/profile")(self.put)

    async def put(self, demanded: IfVersionRequired, database: UseDatabase) -> Response:
        async with database.transaction(as_user=Context.SYSTEM) as tx:
            version = (await tx.execute(_READ)).scalar_one()
            demanded.check(version)
            await self.both_have_read.wait()
            changed = (await tx.execute(_CHANGE, {"version": version})).scalar_one_or_none()
            if changed is None:
                raise changed_meanwhile()
        return Response(status_code=204, headers=version_headers(changed))


@pytest.fixture
async def client(databases: Databases, superuser: asyncpg.Connection) -> AsyncGenerator[httpx.AsyncClient]:
    await superuser.execute("insert into profile.profiles (user_id) values ($1)", new_id())
    app = create_app(title="Profiles", service="profile", routers=[Profiles().router], prefix="")
    app.state.database = databases("profile", "worker")
    async with client_of(app) as opened:
        yield opened


class TestTwoChangesAtOnce:
    async def test_of_the_same_version_are_one_change_and_one_refusal(
        self, client: httpx.AsyncClient, superuser: asyncpg.Connection
    ):
        async with asyncio.timeout(20):
            answers = await asyncio.gather(
                *(client.put("/profile", headers={"If-Match": '"v1"'}) for _ in range(2))
            )

        assert sorted(answer.status_code for answer in answers) == [204, 412]
        assert await superuser.fetchval("select version from profile.profiles") == 2
