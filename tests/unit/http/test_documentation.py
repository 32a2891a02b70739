from typing import Annotated, Any

import pytest
from fastapi import APIRouter
from pydantic import BaseModel

from common.errors import Kind
from common.http.app import create_app
from common.http.documented import raises
from common.http.internal import Operator
from common.http.limited import per_address
from common.http.permissions import CurrentAdmin, CurrentUser, require_scope
from common.http.principals import Principal
from common.http.rate_limits import Limit
from common.http.resources import UseDatabase

OF_EVERY_ROUTE = {"500", "503"}
router = APIRouter()


class Thing(BaseModel):
    name: str


@router.get("/plain")
async def get_plain() -> None: ...


@router.get("/user")
async def get_user(user: CurrentUser) -> None: ...


@router.get("/admin")
async def get_admin(user: CurrentAdmin) -> None: ...


@router.get("/scoped")
async def get_scoped(user: Annotated[Principal, require_scope("things:read")]) -> None: ...


@router.get("/operated")
async def get_operated(operator: Operator) -> None: ...


@router.get("/searched")
async def get_searched(limit: int = 10) -> None: ...


@router.get("/named/{name}")
@raises(Kind.NOT_FOUND, "thing.not_found")
async def get_named(name: str) -> None: ...


@router.post("/posted")
@raises(Kind.CONFLICT, "thing.exists")
@raises(Kind.UNAVAILABLE, "things.busy")
async def post_posted(thing: Thing) -> None: ...


@router.get("/limited", dependencies=[per_address(Limit("things", 1, 1))])
async def get_limited() -> None: ...


@router.get("/stored")
async def get_stored(database: UseDatabase) -> None: ...


@pytest.fixture(scope="module")
def paths() -> dict[str, Any]:
    app = create_app(title="Things", service="things", routers=[router], prefix="")
    return {
        path: next(iter(operations.values()))["responses"]
        for path, operations in app.openapi()["paths"].items()
    }


def refusals(responses: dict[str, Any]) -> set[str]:
    return {status for status in responses if int(status) >= 400}


class TestARoute:
    @pytest.mark.parametrize(
        ("path", "statuses"),
        [
            ("/plain", set()),
            ("/user", {"401", "403"}),
            ("/admin", {"401", "403"}),
            ("/scoped", {"401", "403"}),
            ("/operated", {"401", "403"}),
            ("/searched", {"422"}),
            ("/named/{name}", {"404", "422"}),
            ("/posted", {"400", "409", "413", "415", "422"}),
            ("/limited", {"429"}),
            ("/stored", set()),
        ],
    )
    def test_tells_of_the_problems_that_it_can_give_and_of_no_other(
        self, paths: dict[str, Any], path: str, statuses: set[str]
    ):
        assert refusals(paths[path]) == statuses | OF_EVERY_ROUTE

    @pytest.mark.parametrize(
        ("path", "status", "codes"),
        [
            ("/plain", "503", {"request.timeout", "server.stopping"}),
            ("/stored", "503", {"database.unavailable", "database.pool_exhausted"}),
            ("/user", "401", {"token.missing", "token.expired", "token.revoked"}),
            ("/admin", "403", {"role.missing"}),
            ("/scoped", "403", {"scope.missing"}),
            ("/named/{name}", "404", {"thing.not_found"}),
            ("/posted", "409", {"thing.exists"}),
            ("/posted", "503", {"things.busy"}),
            ("/posted", "415", {"media_type.unsupported", "content_encoding.unsupported"}),
            ("/limited", "429", {"requests.too_many"}),
        ],
    )
    def test_names_their_codes(self, paths: dict[str, Any], path: str, status: str, codes: set[str]):
        told = paths[path][status]

        assert codes <= set(told["x-problem-codes"])
        assert all(f"`{code}`" in told["description"] for code in codes)
        assert told["content"].keys() == {"application/problem+json"}

    def test_of_another_status_keeps_its_answer(self, paths: dict[str, Any]):
        assert paths["/plain"]["200"]["content"].keys() == {"application/json"}
