"""seed: users to play with, made the way any user is made."""

import asyncio
import time
from http import HTTPStatus
from typing import Annotated

import asyncpg
import httpx
import typer

from quartet_cli.mails import link_token
from quartet_cli.stack import Stack
from quartet_cli.stack.asking import client_context
from quartet_cli.stack.table import DATABASE, ENTRIES
from quartet_cli.supervisor.client import SupervisorError
from quartet_cli.verbs.lifecycle import chosen
from quartet_cli.verbs.progress import Progress

PASSWORD = "a quiet garden in november"  # noqa: S105 - for users of a development stack, printed at the end
DOMAIN = "seed.example.com"
NAMES = ("Ada Moreau", "Bruno Keller", "Chiara Rossi", "Daniel Novak", "Elif Demir", "Farid Haddad")
TIMEZONES = (
    "Europe/Paris",
    "Europe/Berlin",
    "Europe/Rome",
    "Europe/Prague",
    "Europe/Istanbul",
    "Africa/Cairo",
)
REQUEST_SECONDS = 30.0
PATIENCE_SECONDS = 60.0
TABLES_OF_USERS = """
    select table_schema, table_name
    from information_schema.columns join information_schema.tables using (table_schema, table_name)
    where column_name = 'user_id' and table_type = 'BASE TABLE' and table_schema = any($1)
"""


def seed(
    users: Annotated[int, typer.Option(min=1, max=10_000, help="How many.")] = len(NAMES),
    clear: Annotated[bool, typer.Option("--clear", help="Remove the seeded users instead.")] = False,
) -> None:
    """Register users through the gateway; run again, it makes only those that are missing."""
    stack = chosen()
    with Progress() as progress:
        if clear:
            progress.say(f"removed {_clear(stack)} seeded users")
            return
        _register(stack, users, progress)
        progress.say(f"{users} users: {address(0)} to {address(users - 1)}, password: {PASSWORD}")


def address(number: int) -> str:
    first = NAMES[number % len(NAMES)].split()[0].lower()
    return f"{first}{number // len(NAMES) or ''}@{DOMAIN}"


def _register(stack: Stack, users: int, progress: Progress) -> None:
    client = httpx.Client(
        base_url=stack.gateway_url,
        verify=client_context(stack.ca_file),
        trust_env=False,
        timeout=REQUEST_SECONDS,
    )
    with client:
        for number in range(users):
            progress.begin("users", f"{number} of {users}")
            body = {
                "email": address(number),
                "password": PASSWORD,
                "full_name": NAMES[number % len(NAMES)],
                "timezone": TIMEZONES[number % len(TIMEZONES)],
                "language": "en",
            }
            answer = _patiently_post(client, "register", body)
            if answer.status_code != HTTPStatus.ACCEPTED:
                raise SupervisorError(f"registering {address(number)}: {answer.status_code} {answer.text}")
            credentials = {"email": address(number), "password": PASSWORD}
            if _patiently_post(client, "login", credentials).status_code == HTTPStatus.FORBIDDEN:
                _verify(client, stack, address(number))
        progress.end("users", f"{users} of {users}")


def _verify(client: httpx.Client, stack: Stack, email: str) -> None:
    """By the newest link; one of an earlier run may be over already, then another is on its way."""
    deadline, tried = time.monotonic() + PATIENCE_SECONDS, None
    while time.monotonic() < deadline:
        token = link_token(stack.folder("mail"), to=email)
        if token is not None and token != tried:
            answer = _patiently_post(client, "verify-email", {"token": token})
            if answer.status_code == HTTPStatus.NO_CONTENT:
                return
            tried = token
        time.sleep(0.05)
    raise SupervisorError(f"there is no mail that verifies {email}: ./quartet logs auth-worker mail")


def _patiently_post(client: httpx.Client, path: str, body: dict[str, str]) -> httpx.Response:
    """The gateway limits how fast one address may ask; it says when to come back."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            answer = client.post(f"/api/v1/auth/{path}", json=body)
        except httpx.TransportError as error:
            raise SupervisorError(f"the gateway does not answer ({error}): ./quartet status") from None
        if answer.status_code != HTTPStatus.TOO_MANY_REQUESTS or time.monotonic() > deadline:
            return answer
        time.sleep(min(10.0, float(answer.headers.get("retry-after", "1"))))


def _clear(stack: Stack) -> int:
    try:
        return asyncio.run(_delete(stack))
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        why = str(error) or type(error).__name__
        raise SupervisorError(f"PostgreSQL does not answer ({why}): ./quartet status") from None


async def _delete(stack: Stack) -> int:
    """As the superuser, in every schema at once: only a development stack lets anybody do that."""
    address, _, _ = stack.postgres_url("postgres", DATABASE).partition("?")
    connection = await asyncpg.connect(
        address, ssl=client_context(stack.ca_file), timeout=10, command_timeout=60
    )
    try:
        async with connection.transaction():
            found = await connection.fetch(
                "select id from auth.users where email_norm like $1", f"%@{DOMAIN}"
            )
            users = [row["id"] for row in found]
            # Rows go in any order: with all of a user's rows gone, no reference is left open.
            await connection.execute("set local session_replication_role = replica")
            for schema, table in await connection.fetch(TABLES_OF_USERS, [entry.name for entry in ENTRIES]):
                await connection.execute(f'delete from "{schema}"."{table}" where user_id = any($1)', users)
            await connection.execute("delete from auth.users where id = any($1)", users)
        return len(users)
    finally:
        await connection.close(timeout=10)
