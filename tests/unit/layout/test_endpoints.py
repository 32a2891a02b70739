import inspect
from importlib import import_module
from types import SimpleNamespace

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts

from common.composition.api import public_app
from common.health.checks import Checks
from common.health.routes import HealthView
from common.http.permissions import AccessToken
from common.settings import HttpSettings
from tests.support.repository import SERVICE_PACKAGES

PUBLIC = {
    # whoever has no token yet
    "POST /api/v1/auth/register",
    "POST /api/v1/auth/login",
    "POST /api/v1/auth/email/change/confirm",
    "POST /api/v1/auth/password/reset",
    "POST /api/v1/auth/password/reset/confirm",
    "POST /api/v1/auth/verify-email",
    "POST /api/v1/auth/verify-email/resend",
    "POST /api/v1/auth/token/refresh",
    # by the refresh token or by the access token, which it asks for itself
    "POST /api/v1/auth/logout",
    # by the receipt of an erasure, whose user has no session any more
    "GET /api/v1/auth/me/erasure",
    # public keys, and where they are
    "GET /.well-known/jwks.json",
    "GET /.well-known/openid-configuration",
    # by the secret of a client, or by the token itself
    "POST /oauth/token",
    "POST /oauth/introspect",
    "POST /oauth/revoke",
    # whether a service is well, without anything about its users
    *(
        f"GET {path}"
        for base in ("/api/v1", *(f"/api/v1/{service}" for service in SERVICE_PACKAGES))
        for path in (f"{base}/health", f"{base}/health/database", f"{base}/health/detailed")
    ),
}

each_service = pytest.mark.parametrize("service", SERVICE_PACKAGES)


def app_of(service: str) -> FastAPI:
    api = import_module(f"{SERVICE_PACKAGES[service].name}.app").API
    health = HealthView(service=service, version="0", ready=Checks(()))
    return public_app(api, SimpleNamespace(http=HttpSettings(port=1)), health)


def asks_who(dependant) -> bool:
    return isinstance(dependant.call, AccessToken) or any(map(asks_who, dependant.dependencies))


def plain_functions(dependant) -> list[str]:
    """Dependencies that the framework would send through a thread with every request."""
    asked = [dependant.call, getattr(dependant.call, "__call__", None)]  # noqa: B004 - instances are asked too
    on_the_loop = [*map(inspect.iscoroutinefunction, asked), inspect.isasyncgenfunction(dependant.call)]
    here = [] if any(on_the_loop) else [str(dependant.call)]
    return here + [name for one in dependant.dependencies for name in plain_functions(one)]


def endpoints(service: str):
    """Name and route of everything that a caller may reach at the public port."""
    for context in iter_route_contexts(app_of(service).routes):
        if isinstance(context.route, APIRoute):
            for method in context.methods:
                yield f"{method} {context.path}", context.route


class TestEndpoints:
    @each_service
    def test_ask_who_calls_unless_they_are_listed_as_public(self, service):
        open_to_all = {name for name, route in endpoints(service) if not asks_who(route.dependant)}

        assert open_to_all - PUBLIC == set()

    @each_service
    def test_and_what_they_depend_on_run_on_the_loop(self, service):
        assert {
            name: found for name, route in endpoints(service) if (found := plain_functions(route.dependant))
        } == {}

    def test_listed_as_public_exist(self):
        everywhere = {name for service in SERVICE_PACKAGES for name, _ in endpoints(service)}

        assert everywhere >= PUBLIC

    @each_service
    def test_say_what_they_are_for(self, service):
        assert [name for name, route in endpoints(service) if not route.summary] == []

    @each_service
    def test_say_what_every_field_means(self, service):
        schemas = app_of(service).openapi()["components"]["schemas"]

        assert [
            f"{name}.{field}"
            for name, schema in schemas.items()
            for field, described in schema.get("properties", {}).items()
            if "description" not in described
        ] == []
