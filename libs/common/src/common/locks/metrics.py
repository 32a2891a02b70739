from prometheus_client import Counter, Histogram

from common.telemetry.metrics import REGISTRY

LOCKS = Counter(
    "quartet_locks_total",
    "Locks by what became of asking for them: held, busy, skipped.",
    ["kind", "outcome"],
    registry=REGISTRY,
)
SKIPS = Counter(
    "quartet_lock_skips_total",
    "Questions to Redis that were not waited for: slow, failed, or not asked because the circuit was open.",
    ["reason"],
    registry=REGISTRY,
)
EXTENSIONS = Counter(
    "quartet_lock_extensions_total",
    "Extensions of locks: granted, refused, unanswered, or given up because the event loop was late.",
    ["outcome"],
    registry=REGISTRY,
)
WAIT_SECONDS = Histogram(
    "quartet_lock_wait_seconds",
    "Time from asking for a lock to having it, or going on without it.",
    ["kind"],
    buckets=(0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0),
    registry=REGISTRY,
)
