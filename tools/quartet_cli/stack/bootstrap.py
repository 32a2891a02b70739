"""What fresh servers lack for the first login: roles, passwords, the database, topics and rights."""

import sys
from pathlib import Path

import asyncpg

from common.contracts import topics
from common.postgres.bootstrap import database_sql, logins, passwords_sql, roles_sql, scram_verifier
from quartet_cli.stack.asking import client_context
from quartet_cli.stack.description import Stack, stack_file
from quartet_cli.stack.part import Part
from quartet_cli.stack.postgres import SUPERUSER
from quartet_cli.stack.prints import fingerprint
from quartet_cli.stack.table import DATABASE


def roles_part(stack: Stack) -> Part:
    def print_() -> str:
        wanted = [stack.passwords[login] for login in logins()]
        return fingerprint(roles_sql(), database_sql(DATABASE), *wanted)

    async def prepare() -> None:
        await make_roles(stack)

    return Part(
        name="roles",
        needs=("postgres",),
        log=stack.log("roles"),
        prepare=prepare,
        one_shot=True,
        fingerprint=print_,
    )


def topics_part(stack: Stack) -> Part:
    made_by = (stack.checkout / "tools" / "quartet_cli" / name for name in ("topics.py", "topic_rights.py"))
    sources = [Path(topics.__file__), *made_by]
    return Part(
        name="topics",
        command=(
            sys.executable,
            "-m",
            "quartet_cli.stack.make_topics",
            str(stack_file(stack.name, stack.checkout)),
        ),
        needs=("kafka",),
        log=stack.log("topics"),
        one_shot=True,
        fingerprint=lambda: fingerprint(*stack.workers, certificates=stack.certificates, sources=sources),
    )


async def make_roles(stack: Stack) -> None:
    """May be run again at any time; running processes keep their connections."""
    verifiers = {login: scram_verifier(stack.passwords[login]) for login in logins()}
    cluster = await _connect(stack, "postgres")
    try:
        async with cluster.transaction():
            await cluster.execute(roles_sql() + passwords_sql(verifiers))
        if not await cluster.fetchval("select true from pg_database where datname = $1", DATABASE):
            await cluster.execute(f'create database "{DATABASE}"')
    finally:
        await cluster.close()
    database = await _connect(stack, DATABASE)
    try:
        async with database.transaction():
            await database.execute(database_sql(DATABASE))
    finally:
        await database.close()


async def _connect(stack: Stack, database: str) -> "asyncpg.Connection":
    address, _, _ = stack.postgres_url(SUPERUSER, database).partition("?")
    return await asyncpg.connect(address, ssl=client_context(stack.ca_file), timeout=10)
