"""The one table that gateway routes, pooler aliases, logins, Redis users and processes are made from."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceEntry:
    name: str
    """Short name, as in `common.contracts.topics.SERVICES`."""
    folder: str
    package: str
    title: str
    extra_routes: tuple[str, ...] = ()
    """Prefixes at the gateway besides `/api/v1/<name>/`."""
    streams: tuple[str, ...] = ()
    """Regular expressions, below `/api/v1/<name>`, of answers that arrive piece by piece."""

    @property
    def prefix(self) -> str:
        return f"/api/v1/{self.name}"


ENTRIES = (
    ServiceEntry(
        name="auth",
        folder="services/auth",
        package="auth_service",
        title="Accounts",
        extra_routes=("/.well-known/", "/oauth/"),
    ),
    ServiceEntry(name="profile", folder="services/profile", package="profile_service", title="Profile"),
    ServiceEntry(
        name="calendar",
        folder="services/calendar-sync",
        package="calendar_sync_service",
        title="Calendar",
        streams=("/calendars/[^/]+/sync/stream",),
    ),
    ServiceEntry(
        name="chat",
        folder="services/chat",
        package="chat_service",
        title="Conversation",
        streams=("/sessions/[^/]+/replies/[^/]+/stream", "/feed"),
    ),
)

PROCESSES = ("api", "worker")
POOL_SIZES = {"api": 6, "worker": 10, "probe": 1}
DATABASE = "quartet"


@dataclass(frozen=True, slots=True)
class Alias:
    """A name in the pooler: one service's kind of use of one database, with a pool of its own."""

    name: str
    database: str
    logins: tuple[str, ...]
    size: int

    @property
    def max_connections(self) -> int:
        """Pools are per login, and looking up a password takes one connection more."""
        return self.size * len(self.logins) + 1


def logins() -> tuple[str, ...]:
    return tuple(f"{entry.name}_{kind}" for entry in ENTRIES for kind in ("owner", *PROCESSES))


def aliases(workers: Iterable[str] = ()) -> tuple[Alias, ...]:
    """Every service's api, worker and probe for the database, and again for that of each test worker."""
    return tuple(
        Alias(
            name=f"{prefix}{entry.name}_{kind}",
            database=database,
            logins=tuple(f"{entry.name}_{one}" for one in (PROCESSES if kind == "probe" else (kind,))),
            size=size,
        )
        for prefix, database in (("", DATABASE), *((f"{worker}_", worker) for worker in workers))
        for entry in ENTRIES
        for kind, size in POOL_SIZES.items()
    )
