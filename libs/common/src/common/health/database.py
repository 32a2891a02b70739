"""Readiness of the database, asked through an alias of its own: overload must not take all replicas out."""

from collections.abc import Callable

from common.health.checks import Check, Finding, Severity, Unwell, immediate
from common.health.reading import Probe
from common.postgres.engine import Database
from common.settings import DatabaseSettings

ANSWER_SECONDS = 0.5


def probe_database(settings: DatabaseSettings, *, service: str, process: str) -> Probe:
    """One connection through the `probe` alias; without an alias, one beside the pool."""
    own = settings.model_copy(
        update={
            "url": settings.probe_url or settings.url,
            "pool_size": 1,
            "pool_overflow": 0,
            "pool_wait_seconds": ANSWER_SECONDS,
        }
    )
    return Probe(Database(own, service=service, application_name=f"{service}-{process}-probe"))


def database_check(probe: Probe) -> Check:
    async def ask() -> str:
        await probe.read()
        return "answers"

    return Check("database", ask, timeout_seconds=ANSWER_SECONDS, fresh_seconds=1.0)


def schema_check(probe: Probe, *, head: str) -> Check:
    """Ready when the schema is as new as the code; a newer one is a rollout, and old replicas serve on."""

    async def ask() -> Finding:
        found = (await probe.read()).version
        if found < head:
            raise Unwell(f"at {found or 'nothing'}, expected {head}", head=head, found=found)
        words = f"at {found}" if found == head else f"at {found}, newer than {head}"
        return Finding(words, {"head": head, "found": found})

    return Check("schema", ask, timeout_seconds=ANSWER_SECONDS, fresh_seconds=2.0)


def pool_check(database: Database, *, size: int) -> Check:
    """A full pool is shown, and answered with 503 request by request; the replica stays in service."""

    def ask() -> Finding:
        pool = database.pool
        data = {"size": size, "checked_out": pool.checked_out, "idle": pool.idle, "waiting": pool.waiting}
        if pool.waiting > 0:
            raise Unwell(f"all {size} connections are in use, {pool.waiting} wait", **data)
        return Finding(f"{pool.idle} idle of {size}", data)

    return immediate("pool", ask, severity=Severity.DEGRADING)


def revocations_check(loaded: Callable[[], bool]) -> Check:
    """Before the ended sessions are known nobody can be let in."""

    def ask() -> str:
        if not loaded():
            raise Unwell("ended sessions are not loaded yet")
        return "loaded"

    return immediate("revocations", ask)
