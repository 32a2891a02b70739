"""docs/metrics.md, made from what processes register: `python -m tests.support.metrics_page` writes it."""

from collections.abc import Iterator
from importlib import import_module
from pkgutil import walk_packages

from prometheus_client import REGISTRY
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.registry import Collector

import auth_service
import common
from tests.support.repository import ROOT

PAGE = ROOT / "docs" / "metrics.md"
_HEAD = """# Metrics

What every process serves at `/metrics` on its probe port, for Prometheus. A process has those of what it
runs: an api none of the relay, a worker few of HTTP. Labels take few values: routes are templates, what is
asked for and does not exist is `(none)`, and nothing that a caller or a user chooses becomes a label.
Beside these stand the Python client's own (`process_…`, `python_…`).

This page is written by `python -m tests.support.metrics_page`; a test compares it with the code.

| metric | kind | labels | what it tells |
|---|---|---|---|
"""


def page() -> str:
    for package in (common, auth_service):
        for module in walk_packages(package.__path__, f"{package.__name__}."):
            import_module(module.name)
    rows = sorted(set(_rows()))
    return _HEAD + "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _rows() -> Iterator[tuple[str, str, str, str]]:
    for collector in list(REGISTRY._collector_to_names):
        for name, kind, labels, meaning in _described(collector):
            if name.startswith("quartet_"):
                full = f"{name}_total" if kind == "counter" else name
                shown = ", ".join(f"`{label}`" for label in labels)
                yield f"`{full}`", kind, shown, meaning


def _described(collector: Collector) -> Iterator[tuple[str, str, tuple[str, ...], str]]:
    if isinstance(collector, MetricWrapperBase):
        yield collector._name, collector._type, tuple(collector._labelnames), collector._documentation
        return
    for family in collector.collect():
        yield family.name, family.type, tuple(getattr(family, "_labelnames", ())), family.documentation


if __name__ == "__main__":
    PAGE.write_text(page())
