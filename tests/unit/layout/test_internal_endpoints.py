from importlib import import_module

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts

from auth_service.api.forms import ClientSecret
from common.composition.api import internal_app
from common.http.internal import Caller
from common.http.permissions import ServiceToken
from common.jobs.api import router as jobs_router
from common.messaging.dead_letters_api import dead_letters_router
from tests.support.repository import SERVICE_PACKAGES

PUBLIC = {
    # whoever checks tokens asks for the public keys
    "GET /.well-known/jwks.json",
    "GET /.well-known/openid-configuration",
    # whoever holds a token may end it
    "POST /oauth/revoke",
}


def apps() -> list[FastAPI]:
    """Everything that is served at internal ports, of apis and workers."""
    apis = [import_module(f"{package.name}.app").API for package in SERVICE_PACKAGES.values()]
    workers = FastAPI(openapi_url=None)
    for router in (jobs_router, dead_letters_router(None)):
        workers.include_router(router)
    return [workers, *map(internal_app, apis)]


def asks_who(dependant) -> bool:
    asks = isinstance(dependant.call, Caller | ServiceToken | ClientSecret)
    return asks or any(map(asks_who, dependant.dependencies))


def endpoints() -> dict[str, APIRoute]:
    return {
        f"{method} {context.path}": context.route
        for app in apps()
        for context in iter_route_contexts(app.routes)
        if isinstance(context.route, APIRoute)
        for method in context.methods
    }


class TestInternalEndpoints:
    def test_ask_for_a_certificate_a_token_or_a_secret_unless_they_are_listed_as_public(self):
        open_to_all = {name for name, route in endpoints().items() if not asks_who(route.dependant)}

        assert open_to_all == PUBLIC

    @pytest.mark.parametrize("name", ["GET /internal/v1/jobs", "POST /internal/v1/dead-letters/drop"])
    def test_are_found_here(self, name: str):
        assert name in endpoints()
