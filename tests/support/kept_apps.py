"""Applications that one test uses after the other: FastAPI reads all routes anew for each that is made."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

from fastapi import FastAPI

from common.composition.api import Api, internal_app, public_app
from common.health.checks import Checks
from common.health.routes import HealthView
from common.http.limited import limits_of

UNLIMITED = "1000000/1"

_free: dict[tuple[str, str], list[FastAPI]] = defaultdict(list)
_unlimited: WeakKeyDictionary[FastAPI, dict[str, str]] = WeakKeyDictionary()


@contextmanager
def kept_app(api: Api[Any], settings: Any) -> Iterator[FastAPI]:
    """Nobody else's meanwhile; what a test puts into its state is gone afterwards."""
    with _kept(api, repr(settings.http), lambda: public_app(api, settings, _health(api.service))) as app:
        yield app


@contextmanager
def kept_internal_app(api: Api[Any]) -> Iterator[FastAPI]:
    with _kept(api, "internal", lambda: internal_app(api)) as app:
        yield app


def unlimited(app: FastAPI) -> dict[str, str]:
    """Every limit of rate, moved out of the way."""
    if app not in _unlimited:
        _unlimited[app] = dict.fromkeys(limits_of(app), UNLIMITED)
    return _unlimited[app]


@contextmanager
def _kept(api: Api[Any], kind: str, make: Callable[[], FastAPI]) -> Iterator[FastAPI]:
    free = _free[api.service, kind]
    app = free.pop() if free else make()
    state, routes = dict(app.state._state), len(app.routes)
    yield app
    app.state._state.clear()
    app.state._state.update(state)
    # one to which a test has added something stays that test's
    if len(app.routes) == routes:
        free.append(app)


def _health(service: str) -> HealthView:
    return HealthView(service=service, version="0", ready=Checks(()))
