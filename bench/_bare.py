"""What `GET /profile/me` is compared with: Starlette and asyncpg, the same SQL, and nothing else.

`python -m bench._bare PORT transaction|autocommit`, with the environment of the profile api.
"""

import json
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import asyncpg
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

SQL = """
    SELECT user_id, first_name, last_name, display_name, pronouns, bio, date_of_birth, work_email,
        phone_number, alternate_phone, work_phone, website, linkedin, twitter, github,
        emergency_contact_name, emergency_contact_relationship, emergency_contact_phone,
        emergency_contact_email,
        address_line1, address_line2, address_city, address_region, address_postal_code, address_country,
        timezone, language, version, created_at, updated_at
    FROM profiles WHERE user_id = $1
"""
_BEGIN = "BEGIN; SET LOCAL ROLE profile_user; SET LOCAL app.user_id = '{}'"


def build(user_id: str, *, in_transaction: bool) -> Starlette:
    pool: asyncpg.Pool

    async def me(request: Request) -> Response:  # noqa: ARG001 - the framework passes it
        async with pool.acquire() as connection:
            if in_transaction:
                await connection.execute(_BEGIN.format(user_id))
                row = await connection.fetchrow(SQL, user_id)
                await connection.execute("COMMIT")
            else:
                row = await connection.fetchrow(SQL, user_id)
        return Response(json.dumps(dict(row), default=str), media_type="application/json")

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncGenerator[None]:  # noqa: ARG001 - the framework passes it
        nonlocal pool
        # without a transaction there is no role: that handler asks as the superuser, past all policies
        url = os.environ["DATABASE_URL" if in_transaction else "BENCH_SUPERUSER_URL"]
        where = None if in_transaction else {"search_path": "profile"}
        pool = await asyncpg.create_pool(
            url, min_size=6, max_size=6, statement_cache_size=0, reset=_nothing, server_settings=where
        )
        yield
        await pool.close()

    return Starlette(routes=[Route("/me", me)], lifespan=lifespan)


async def _nothing(connection: object) -> None:
    """asyncpg's own reset is a round trip that the service does not make either."""


if __name__ == "__main__":
    application = build(os.environ["BENCH_USER"], in_transaction=sys.argv[2] == "transaction")
    uvicorn.run(
        application,
        port=int(sys.argv[1]),
        http="httptools",
        loop="uvloop",
        access_log=False,
        log_level="warning",
    )
