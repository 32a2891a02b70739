"""What another service of ours is told of users."""

import asyncpg
import pytest

from common.ids import new_id
from common.postgres.context import Context
from profile_service.api.batch import MOST
from profile_service.domain.fields import FIELDS, FOR_SERVICES
from tests.support.factories import user_registered

READS = "profiles:read"


@pytest.fixture
async def chat(profile_app):
    async with profile_app.service(READS) as client:
        yield client


@pytest.fixture
def named(profile_app):
    """A user of this first name, who has said everything else that there is to say."""

    async def named(first_name: str) -> str:
        user_id = new_id()
        await profile_app.hear(user_registered(user_id))
        everything = {field.name: field.example for field in FIELDS if field.group is None}
        async with profile_app.client(user_id) as client:
            answer = await client.patch("/me", json={**everything, "first_name": first_name})
        assert answer.status_code == 200
        return str(user_id)

    return named


class TestABatch:
    async def test_tells_what_services_may_see_and_nothing_else(self, chat, named):
        ada = await named("Ada")

        answer = await chat.post("/profiles/batch", json={"user_ids": [ada]})

        assert answer.json() == {
            "items": [
                {
                    **{field.name: field.example for field in FOR_SERVICES},
                    "user_id": ada,
                    "timezone": "Europe/London",
                    "language": "en",
                    "version": 2,
                }
            ],
            "unknown": [],
        }

    async def test_answers_each_once_in_the_order_of_asking_and_names_who_is_unknown(self, chat, named):
        ada, ben, nobody = await named("Ada"), await named("Ben"), str(new_id())

        answer = await chat.post(
            "/profiles/batch", json={"user_ids": [ben, nobody, ada, ben, nobody, ada.upper()]}
        )

        assert [item["first_name"] for item in answer.json()["items"]] == ["Ben", "Ada"]
        assert answer.json()["unknown"] == [nobody]

    @pytest.mark.parametrize("length", [0, MOST + 1])
    async def test_of_nobody_or_of_too_many_is_refused(self, chat, length):
        answer = await chat.post("/profiles/batch", json={"user_ids": [str(new_id()) for _ in range(length)]})

        assert answer.status_code == 422
        assert [fault["pointer"] for fault in answer.json()["errors"]] == ["/user_ids"]

    async def test_of_the_most_is_answered(self, chat):
        user_ids = [str(new_id()) for _ in range(MOST)]

        answer = await chat.post("/profiles/batch", json={"user_ids": user_ids})

        assert (answer.status_code, answer.json()) == (200, {"items": [], "unknown": user_ids})

    async def test_tells_every_fault(self, chat):
        answer = await chat.post("/profiles/batch", json={"user_ids": ["ada", 7], "fields": []})

        assert {fault["pointer"] for fault in answer.json()["errors"]} == {
            *("/user_ids/0", "/user_ids/1", "/fields")
        }

    async def test_asks_for_a_service_s_token_with_the_scope(self, profile_app):
        asked = {"user_ids": [str(new_id())]}
        async with profile_app.service("credentials:read") as other, profile_app.client(new_id()) as user:
            elsewhere = await other.post("/profiles/batch", json=asked)
            at_the_public_port = await user.post("http://profile.test/internal/v1/profiles/batch", json=asked)
            other.headers["Authorization"] = ""
            without = await other.post("/profiles/batch", json=asked)

        assert (elsewhere.status_code, elsewhere.json()["code"]) == (403, "scope.missing")
        assert (without.status_code, without.json()["code"]) == (401, "token.missing")
        assert at_the_public_port.status_code == 404


class TestTheRoleOfServices:
    @pytest.mark.parametrize("column", ["date_of_birth", "emergency_contact_phone", "address_city"])
    async def test_sees_no_column_that_is_not_theirs(self, profile_app, column):
        database = profile_app.app.state.database

        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with database.read_transaction(as_user=Context.SERVICE) as connection:
                await connection.fetch(f"SELECT {column} FROM profiles")
