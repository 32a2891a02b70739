from prometheus_client import Counter, Gauge, Histogram

from common.telemetry.metrics import REGISTRY

ENDED = Counter(
    "quartet_jobs_ended_total",
    "Runs of jobs by how they ended; `lost` is a run whose lease went to another worker.",
    ["kind", "outcome"],
    registry=REGISTRY,
)
SECONDS = Histogram(
    "quartet_job_run_seconds",
    "How long a run of a job took.",
    ["kind"],
    buckets=(0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 1800.0),
    registry=REGISTRY,
)
RUNNING = Gauge("quartet_jobs_running", "Jobs that this process runs now.", ["kind"], registry=REGISTRY)
UNFINISHED = Gauge(
    "quartet_jobs_unfinished",
    "Jobs of the service that wait or run, counted every 15 s.",
    ["kind", "state"],
    registry=REGISTRY,
)
OLDEST_DUE_SECONDS = Gauge(
    "quartet_jobs_oldest_due_seconds",
    "How long the oldest due job of the service has been waiting, looked up every 15 s.",
    ["kind"],
    registry=REGISTRY,
)
TURN_FAILURES = Counter(
    "quartet_jobs_turn_failures_total",
    "Times that claiming, extending or counting failed and is tried again.",
    ["step"],
    registry=REGISTRY,
)
