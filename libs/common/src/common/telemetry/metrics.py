"""Prometheus metrics: one registry a process, served on the probe port."""

from prometheus_client import REGISTRY, Counter, Histogram, disable_created_metrics, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

__all__ = ["CONTENT_TYPE", "HTTP_REQUESTS", "PROBLEMS", "REGISTRY", "exposition"]

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4

# The client's second series of every counter and histogram: when it began, which nothing here asks.
disable_created_metrics()

HTTP_REQUESTS = Histogram(
    "quartet_http_request_seconds",
    "Time from a request's first byte to its answer's first byte.",
    ["method", "route", "status"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0),
    registry=REGISTRY,
)
PROBLEMS = Counter(
    "quartet_http_problems_total", "Problem documents that were sent.", ["code"], registry=REGISTRY
)


def exposition() -> bytes:
    return generate_latest(REGISTRY)
