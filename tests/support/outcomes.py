"""What becomes of a database URL: by psql, which is right, and by an engine made as every service's is."""

import asyncio
import subprocess
from typing import Literal

import asyncpg
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from common.postgres.url import Surroundings, fix_async_database_url
from common.postgres.url_errors import DatabaseUrlError
from quartet_cli.stack.versions import postgres_program

Outcome = Literal["tls", "plain", "refused"]
_PSQL_AT_ONCE = asyncio.Semaphore(6)


async def psql(url: str) -> Outcome:
    async with _PSQL_AT_ONCE:
        process = await asyncio.create_subprocess_exec(
            # a distribution's psql looks for this one first, which takes six times as long as asking
            *(postgres_program("psql"), "--no-psqlrc", "--no-password", "--command", r"\conninfo", url),
            env={"HOME": "/nonexistent", "PGCONNECT_TIMEOUT": "20"},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        said, _ = await process.communicate()
    if process.returncode:
        return "refused"
    return "tls" if b"SSL connection" in said else "plain"


async def ours(url: str, around: Surroundings | None = None) -> Outcome:
    try:
        fixed, arguments = fix_async_database_url(url, around)
        engine = create_async_engine(fixed, poolclass=sa.NullPool, connect_args=arguments)
        async with engine.connect() as connection:
            raw = await connection.get_raw_connection()
            tls = raw.driver_connection._transport.get_extra_info("ssl_object")
    except (DatabaseUrlError, OSError, asyncpg.PostgresError, sa.exc.DBAPIError):
        return "refused"
    return "plain" if tls is None else "tls"
