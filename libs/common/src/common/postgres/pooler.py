"""What stands between here and PostgreSQL, when DATABASE_POOLER leaves it to be found out.

In doubt it is a pooler in transaction mode: what is safe behind one is right, only slower, without one.
"""

import re
from typing import Final, Literal

import asyncpg
import structlog

from common.postgres.timeouts import CONNECT_SECONDS
from common.postgres.url import ConnectArguments, Surroundings, parse_url
from common.settings import DatabaseSettings

Pooler = Literal["none", "transaction"]

_log: Final = structlog.get_logger("database")
_PORTS: Final = frozenset({6432, 6543})
"""PgBouncer's own, and the one that hosters give their poolers."""
_HOST: Final = re.compile(r"pgbouncer|pooler|pgcat|odyssey", re.IGNORECASE)
_CONSOLE: Final = "pgbouncer"
_KEEPS_STATEMENTS: Final = (1, 21)
_AWAY: Final = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


async def settle_pooler(settings: DatabaseSettings, *, service: str) -> DatabaseSettings:
    """What is set stays; `auto` becomes what was found. Statements are kept by no pooler that is too old."""
    around = Surroundings(service, settings.certificates)
    arguments = parse_url(settings.url.get_secret_value(), around)
    pooler = settings.pooler
    if pooler == "auto":
        pooler, by = await find_pooler(arguments)
        _log.info("database.pooler_found", pooler=pooler, by=by)
    kept = settings.prepared_statements
    if pooler == "transaction" and kept:
        version = await ask_version(arguments)
        if version is not None and version < _KEEPS_STATEMENTS:
            _log.error("database.pooler_too_old", version=version, needed=_KEEPS_STATEMENTS)
            kept = False
    return settings.model_copy(update={"pooler": pooler, "prepared_statements": kept})


async def find_pooler(arguments: ConnectArguments) -> tuple[Pooler, str]:
    """And by what it was found."""
    if arguments.port in _PORTS or _HOST.search(arguments.host):
        return "transaction", "host or port"
    try:
        connection = await arguments.connect(timeout=CONNECT_SECONDS, statement_cache_size=0)
    except _AWAY:
        return "transaction", "nothing: the database does not answer"
    try:
        told = connection.get_server_pid()
        serving = await connection.fetchval("SELECT pg_backend_pid()", timeout=CONNECT_SECONDS)
    except _AWAY:
        return "transaction", "nothing: the database does not answer"
    finally:
        connection.terminate()
    # a pooler cannot tell its client the process that serves it, as that changes: it makes a number up
    if told == serving:
        return "none", "process id"
    version = await ask_version(arguments)
    by = "process id" if version is None else f"SHOW VERSION: {'.'.join(map(str, version))}"
    return "transaction", by


async def ask_version(arguments: ConnectArguments) -> tuple[int, ...] | None:
    """PgBouncer's, from its console; None for a login that may not ask there, and for other poolers."""
    try:
        connection = await arguments.connect(
            database=_CONSOLE, timeout=CONNECT_SECONDS, statement_cache_size=0
        )
    except _AWAY:
        return None
    try:
        # PostgreSQL with a database of that name has no such setting
        await connection.execute("SHOW VERSION", timeout=CONNECT_SECONDS)
    except _AWAY:
        return None
    else:
        # the answer's rows are not for the simple protocol of the driver; the console greets with the same
        return tuple(int(part) for part in re.findall(r"\d+", connection.get_settings().server_version)[:2])
    finally:
        connection.terminate()
