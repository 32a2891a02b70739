"""What a user may take along of each service, as another service of ours is told it."""

import json

import httpx
import pytest

from common.clock import utc_now
from common.composition.api import internal_app
from common.contracts.topics import SERVICES
from common.http.export import SCOPE
from common.http.tokens import ServiceTokens
from common.ids import new_id
from tests.support.accounts import add_session, add_user
from tests.support.erasing import Applying, add_rows
from tests.support.factories import user_erased, user_registered
from tests.support.service_app import api_of
from tests.support.services import SCHEMAS
from tests.support.tokens import ISSUER, KEY, NOW, Keys, claims, token

LISTENERS = tuple(service for service in SERVICES if service != "auth")
PASSWORD_HASH = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA"

each_service = pytest.mark.parametrize("service", SERVICES)
each_listener = pytest.mark.parametrize("service", LISTENERS)


@pytest.fixture
def asking(service, databases, superuser):
    """Another service at the internal port, with a token of these scopes."""

    def asking(scope: str = SCOPE) -> httpx.AsyncClient:
        app = internal_app(api_of(service))
        app.state.database = databases(service, "api")
        app.state.clock = utc_now
        app.state.trusted_proxies = ()
        app.state.service_tokens = ServiceTokens(
            issuer=ISSUER, service=service, keys=Keys(KEY), clock=lambda: NOW
        )
        said = claims(aud=service, sub="auth", client_id="auth", scope=scope, sid=None)
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(app),
            base_url=f"http://{service}.test/internal/v1",
            headers={"Authorization": f"Bearer {token(said)}"},
        )

    return asking


async def exported(client: httpx.AsyncClient, user_id) -> dict:
    async with client:
        answer = await client.get(f"/users/{user_id}/export")
    assert answer.status_code == 200, answer.text
    assert (answer.json()["user_id"]) == str(user_id)
    return answer.json()["data"]


@each_service
class TestAnExport:
    def test_says_of_every_column_of_users_that_it_is_told_or_why_not(self, service):
        export, tables = api_of(service).export, SCHEMAS[service].metadata.tables
        access = {table.name: table for table in SCHEMAS[service].tables}
        columns = {
            f"{name}.{column.name}"
            for name, table in tables.items()
            if access[name].kind == "user" or access[name].owner_column in table.c
            for column in table.c
            if column.name != access[name].owner_column and name not in export.kept_back
        }

        assert columns == {*export.told, *(name for name in export.kept_back if "." in name)}
        assert {name for name in export.kept_back if "." not in name} <= tables.keys()

    async def test_of_nobody_who_is_known_is_empty_but_for_the_reading(self, service, asking):
        data = await exported(asking(), new_id())

        assert [line["action"] for line in data.pop("log")] == ["user.exported"]
        assert set(map(len, data.values())) == {0}

    async def test_is_for_services_that_may(self, service, asking):
        async with asking("something:else") as client:
            answer = await client.get(f"/users/{new_id()}/export")

        assert (answer.status_code, answer.json()["code"]) == (403, "scope.missing")

    async def test_names_whoever_read_it_in_the_audit_log(self, service, asking, superuser):
        user = new_id()
        await exported(asking(), user)

        [row] = await superuser.fetch(f"select actor, action, user_id from {service}.audit_log")
        assert tuple(row) == ("service:auth", "user.exported", user)


@each_listener
class TestTheExportOfAListener:
    async def test_holds_the_user_s_rows_and_nobody_else_s(self, service, asking, databases, superuser):
        ada, bob, applying = new_id(), new_id(), Applying(service, databases)
        await applying.apply(*map(user_registered, (ada, bob)))
        await add_rows(superuser, service, bob)

        data = await exported(asking(), ada)

        assert len(data["log"]) == 1
        assert str(bob) not in json.dumps(data)
        assert sum(map(len, data.values())) > 1

    async def test_is_empty_once_the_user_is_erased(self, service, asking, databases, superuser):
        ada, applying = new_id(), Applying(service, databases)
        await applying.apply(user_registered(ada), user_erased(ada))

        data = await exported(asking(), ada)

        assert sum(map(len, data.values())) == 1


class TestTheExportOfAuth:
    @pytest.fixture
    def service(self) -> str:
        return "auth"

    async def test_holds_the_account_and_its_sessions_and_no_hash(self, asking, superuser):
        ada = await add_user(superuser, email="ada@example.org", hashed_password=PASSWORD_HASH)
        session = await add_session(superuser, user_id=ada, began=utc_now())

        data = await exported(asking(), ada)

        assert [account["email"] for account in data["account"]] == ["ada@example.org"]
        assert [one["id"] for one in data["sessions"]] == [str(session)]
        assert "argon2" not in json.dumps(data)
