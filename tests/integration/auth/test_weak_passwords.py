from datetime import timedelta
from uuid import UUID

import asyncpg
import httpx
import pytest

from auth_service.domain.links import LinkToken, Purpose
from auth_service.domain.password_rules import PasswordRules
from auth_service.storage.mail_links import NewLink, insert_link
from common.clock import utc_now
from common.ids import new_id
from tests.support.accounts import add_user
from tests.support.auth_app import AuthApp

ADA = "ada.lovelace@example.org"
OLD, COMMON, OWN = "correct horse battery", "justinbieber", "AdaLovelace-15"


def faults(answer: httpx.Response) -> list[tuple[str, str]]:
    assert answer.status_code == 422, answer.text
    return [(fault["pointer"], fault["code"]) for fault in answer.json()["errors"]]


@pytest.fixture
async def ada(auth_app: AuthApp, superuser: asyncpg.Connection) -> UUID:
    hashed = await auth_app.resources.hashing.hash(OLD)
    user_id = await add_user(superuser, email=ADA, hashed_password=hashed)
    await superuser.execute("update auth.users set full_name = 'Grace Hopper'")
    return user_id


@pytest.fixture
def register(auth_app):
    async def register(**body: object) -> httpx.Response:
        async with auth_app.client() as client:
            return await client.post("/register", json={"email": ADA, **body})

    return register


@pytest.fixture
def change(auth_app, ada):
    async def change(new: str) -> httpx.Response:
        tokens = await auth_app.log_in(ADA, OLD)
        async with auth_app.client(tokens["access_token"]) as client:
            return await client.post("/password/change", json={"current_password": OLD, "new_password": new})

    return change


@pytest.fixture
async def reset(auth_app, ada):
    link = NewLink(new_id(), ada, Purpose.RESET_PASSWORD, utc_now(), utc_now() + timedelta(minutes=1))
    async with auth_app.database.transaction(as_user=ada) as tx:
        insert_link(tx, link)
    token = LinkToken(ada, link.id).written(auth_app.resources.macs, Purpose.RESET_PASSWORD)

    async def reset(new: str) -> httpx.Response:
        async with auth_app.client() as client:
            return await client.post("/password/reset/confirm", json={"token": token, "new_password": new})

    return reset


class TestARegistration:
    async def test_names_each_fault_of_each_field_at_once(self, register):
        answer = await register(password=COMMON, timezone="Mars/Olympus", full_name="A")

        assert sorted(faults(answer)) == [
            ("/full_name", "field.too_short"),
            ("/password", "password.too_common"),
            ("/timezone", "timezone.unknown"),
        ]

    @pytest.mark.parametrize(
        ("password", "code"),
        [
            (OWN, "password.too_similar"),
            ("Grace.Hopper!9", "password.too_similar"),
            ("zq zq zq zq zq", "password.too_repetitive"),
            ("zyxwvut+lkjhgfdsa", "password.too_predictable"),
        ],
    )
    async def test_says_what_is_weak_about_a_password(self, register, password, code):
        assert faults(await register(password=password, full_name="Grace Hopper")) == [("/password", code)]

    async def test_asks_for_more_characters_where_the_setting_does(self, auth_app, register):
        object.__setattr__(auth_app.resources, "password_rules", PasswordRules(15))

        assert faults(await register(password="kX9#mQ2$vL7!")) == [("/password", "password.too_short")]
        assert (await register(password="kX9#mQ2$vL7!-wZ")).status_code == 202


class TestAChange:
    @pytest.mark.parametrize(
        ("password", "code"),
        [(COMMON, "too_common"), (OWN, "too_similar"), ("Grace.Hopper!9", "too_similar")],
    )
    async def test_refuses_what_is_common_or_made_of_address_and_name(self, change, password, code):
        assert faults(await change(password)) == [("/new_password", f"password.{code}")]


class TestAReset:
    @pytest.mark.parametrize("password", [OWN, "Grace.Hopper!9"])
    async def test_refuses_what_is_made_of_the_user_s_name(self, reset, password):
        assert faults(await reset(password)) == [("/new_password", "password.too_similar")]

    async def test_that_was_refused_may_be_tried_again_by_the_same_link(self, reset):
        refused = await reset(OWN)

        assert refused.status_code == 422
        assert (await reset("staple correct horse")).status_code == 204
