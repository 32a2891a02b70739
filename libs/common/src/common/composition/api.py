"""The api process: HTTP, and nothing that knows Kafka."""

import os
from collections.abc import Callable, Container, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Generic, TypeVar
from uuid import UUID

from fastapi import APIRouter, FastAPI

from common.clock import utc_now
from common.composition.foundation import Foundation, foundation
from common.export import Export
from common.health.database import revocations_check
from common.health.drain import Step
from common.health.heartbeats import worker_check
from common.health.last_resort import run
from common.health.routes import HealthView
from common.http.app import create_app
from common.http.cursors import Cursors
from common.http.export import export_router
from common.http.jwks import JwksKeys, PublicKeys
from common.http.legacy import LegacyTokens, UserByEmail, legacy_tokens
from common.http.legacy_use import written_down
from common.http.limited import limits_of, warn_of_unknown
from common.http.serving import Listener, Serving
from common.http.shared_limits import RateLimits, monotonic_us
from common.http.streams import Streams
from common.http.tls import internal_client_tls, internal_server_tls
from common.http.tokens import AccessTokens, ServiceTokens
from common.postgres.constraints import NO_CONSTRAINTS, Constraints
from common.postgres.engine import Database
from common.revocation import HINT, RevokedSids
from common.settings import ApiSettings, LegacySettings
from common.settings_listing import settings_of
from common.starting import go_on

SettingsT = TypeVar("SettingsT", bound=ApiSettings)
VERSION = "0.1.0"
_FINISH_SECONDS = 8.0
"""How long requests that run may take once nobody is accepted any more; a request's own deadline is longer
only for what should not be waited for."""


@dataclass(frozen=True)
class Api(Generic[SettingsT]):
    service: str
    title: str
    head: str
    routers: Sequence[APIRouter]
    root_routers: Sequence[APIRouter] = ()
    """On the public and on the internal port, outside `/api/v1/<service>`."""
    internal_routers: Sequence[APIRouter] = ()
    """On the internal port alone, under `/internal/v1`: for other services, with tokens of their own."""
    export: Export | None = None
    """What a user may take along, for auth's job that puts all parts together; on the internal port, too."""
    constraints: Constraints = NO_CONSTRAINTS
    resources: Callable[[Foundation, SettingsT], AbstractAsyncContextManager[object]] | None = None
    """What the service's own routes ask for: `app.state.resources`."""
    scope: str | None = None
    """What a user's token must carry for any of its routes; the service's name unless told."""
    user_by_email: Callable[[Database], UserByEmail] | None = None
    """Where an older token may name its user by an address."""


def run_api(api: Api[SettingsT], settings_class: type[SettingsT]) -> None:
    go_on()
    settings = settings_of(settings_class, service=api.service, program=f"{api.service}_service.app")
    raise SystemExit(run(_serve(api, settings)))


async def _serve(api: Api[SettingsT], settings: SettingsT) -> int:
    async with foundation(
        settings,
        service=api.service,
        process="api",
        constraints=api.constraints,
        head=api.head,
        wakes=(HINT,),
    ) as base:
        revoked = RevokedSids(base.database, hint=base.wakeups.event(HINT))
        keys = JwksKeys(settings.token.jwks_url, tls=internal_client_tls(settings.internal))
        limits = RateLimits(
            base.redis, prefix=settings.redis.prefix, moved=settings.http.rate_limits, now_us=monotonic_us
        )
        health = HealthView(service=api.service, version=VERSION, ready=base.ready)
        public = public_app(api, settings, health)
        internal = internal_app(api)
        base.ready.add(revocations_check(lambda: revoked.loaded))
        base.ready.add(worker_check(base.probe))
        for app in (public, internal):
            app.state.database = base.database
            app.state.clock = utc_now
            app.state.rate_limits = limits
            app.state.trusted_proxies = settings.http.trusted_proxies
        public.state.access_tokens = access_tokens(api, settings, base.database, keys=keys, revoked=revoked)
        internal.state.service_tokens = ServiceTokens(
            issuer=settings.token.issuer, service=api.service, keys=keys
        )
        public.state.cursors = Cursors.from_settings(settings.http.cursor_keys, spare=os.urandom(32))
        public.state.known_versions = base.known_versions
        public.state.streams = streams = Streams(revoked=revoked)
        warn_of_unknown(settings.http.rate_limits, limits_of(public))
        base.start()
        base.tasks.start("revocations", revoked.run)
        base.tasks.start("streams", streams.run)
        serving = Serving(
            (
                Listener("public", public, settings.http.host, settings.http.port, setting="HTTP_PORT"),
                Listener(
                    "internal",
                    internal,
                    settings.internal.host,
                    settings.internal.port,
                    tls=internal_server_tls(settings.internal),
                    setting="INTERNAL_PORT",
                ),
                base.probes(),
            )
        )
        try:
            if api.resources is None:
                await _until_drained(base, serving, streams)
            else:
                async with api.resources(base, settings) as resources:
                    public.state.resources = internal.state.resources = resources
                    await _until_drained(base, serving, streams)
        finally:
            await limits.close()
            await keys.close()
        return 1 if base.tasks.failed else 0


def public_app(api: Api[SettingsT], settings: SettingsT, health: HealthView) -> FastAPI:
    return create_app(
        title=api.title,
        service=api.service,
        routers=api.routers,
        root_routers=api.root_routers,
        version=VERSION,
        body_limit_bytes=settings.http.body_limit_bytes,
        request_deadline_seconds=settings.http.request_deadline_seconds,
        cors_origins=settings.http.cors_origins,
        health=health,
    )


def internal_app(api: Api[SettingsT]) -> FastAPI:
    """Documented at `/internal/v1/openapi.json`, for whoever writes another service."""
    exporting = () if api.export is None else (export_router(api.service, api.export),)
    return create_app(
        title=f"{api.title} (internal)",
        service=api.service,
        prefix="/internal/v1",
        routers=(*api.internal_routers, *exporting),
        root_routers=api.root_routers,
        version=VERSION,
    )


def access_tokens(
    api: Api[SettingsT],
    settings: SettingsT,
    database: Database,
    *,
    keys: PublicKeys,
    revoked: Container[UUID],
) -> AccessTokens:
    return AccessTokens(
        issuer=settings.token.issuer,
        audience=settings.token.audience,
        keys=keys,
        revoked=revoked,
        legacy=older_tokens(api, settings.legacy, database),
        scope=api.scope or api.service,
    )


def older_tokens(api: Api[SettingsT], settings: LegacySettings, database: Database) -> LegacyTokens | None:
    by_email = None if api.user_by_email is None else api.user_by_email(database)
    return legacy_tokens(settings, user_by_email=by_email, used=written_down(database))


async def _until_drained(base: Foundation, serving: Serving, streams: Streams) -> None:
    await serving.start()
    for name, task in serving.tasks().items():
        base.watchdog.supervise(f"listener {name}", task)

    def begun() -> None:
        base.watchdog.leaving()
        serving.send_callers_away()

    async def stop_listening(left: float) -> None:
        streams.leave()
        await serving.stop("public", "internal", within_seconds=min(left, _FINISH_SECONDS))

    async def stop_tasks(_: float) -> None:
        await base.tasks.stop_all()

    async def stop_probes(left: float) -> None:
        await serving.stop("probe", within_seconds=min(left, 1.0))

    await base.drain.run(
        (Step("listeners", stop_listening), Step("tasks", stop_tasks), Step("probes", stop_probes)),
        when_begun=begun,
    )
