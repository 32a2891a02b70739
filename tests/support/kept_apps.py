"""Applications that one test uses after the other: FastAPI reads all routes anew for each that is made."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fastapi import FastAPI

from common.composition.api import Api, public_app
from common.health.checks import Checks
from common.health.routes import HealthView

_free: dict[tuple[str, str], list[FastAPI]] = defaultdict(list)


@contextmanager
def kept_app(api: Api[Any], settings: Any) -> Iterator[FastAPI]:
    """Nobody else's meanwhile; what a test puts into its state is gone afterwards."""
    free = _free[api.service, repr(settings.http)]
    app = free.pop() if free else public_app(api, settings, _health(api.service))
    state, routes = dict(app.state._state), len(app.routes)
    yield app
    app.state._state.clear()
    app.state._state.update(state)
    # one to which a test has added something stays that test's
    if len(app.routes) == routes:
        free.append(app)


def _health(service: str) -> HealthView:
    return HealthView(service=service, version="0", ready=Checks(()))
