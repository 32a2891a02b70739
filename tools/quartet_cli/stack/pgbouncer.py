"""PgBouncer: an alias for each service and kind of process, entered by its own login only."""

import asyncio
from pathlib import Path

from quartet_cli.stack.asking import answers_sql
from quartet_cli.stack.description import HOST, Stack
from quartet_cli.stack.files import fill, write_private
from quartet_cli.stack.part import Part
from quartet_cli.stack.prints import fingerprint
from quartet_cli.stack.table import Alias, aliases
from quartet_cli.stack.versions import program

TEMPLATE = Path("deploy") / "pgbouncer" / "pgbouncer.ini.template"
CONSOLE = "pgbouncer"
PLAIN_USERS = ("pgb_auth", "pgb_admin", "pgb_stats")


def databases_text(stack: Stack) -> str:
    return "\n".join(_line(alias, stack.ports["postgres"]) for alias in aliases(stack.workers))


def _line(alias: Alias, port: int) -> str:
    limits = f"pool_size={alias.size} max_db_connections={alias.max_connections}"
    return f"{alias.name} = host={HOST} port={port} dbname={alias.database} {limits}"


def hba_text(stack: Stack) -> str:
    """One line an alias; whoever is on none is refused."""
    lines = [
        f"hostssl {alias.name} {','.join(alias.logins)} {HOST}/32 scram-sha-256"
        for alias in aliases(stack.workers)
    ]
    return "\n".join([*lines, f"hostssl {CONSOLE} pgb_admin,pgb_stats {HOST}/32 scram-sha-256"]) + "\n"


def user_list(stack: Stack) -> str:
    """Only the pooler's own users; it asks PostgreSQL about everybody else."""
    return "".join(f'"{name}" "{stack.passwords[name]}"\n' for name in PLAIN_USERS)


def configuration(stack: Stack) -> str:
    folder = stack.folder("pgbouncer")
    return fill(
        stack.checkout / TEMPLATE,
        databases=databases_text(stack),
        listen_address=HOST,
        port=stack.ports["pgbouncer"],
        hba_file=folder / "hba.conf",
        user_list=folder / "users.txt",
        certificate_file=stack.certificates / "pgbouncer.crt",
        key_file=stack.certificates / "pgbouncer.key",
        ca_file=stack.ca_file,
    )


def pgbouncer_part(stack: Stack) -> Part:
    folder = stack.folder("pgbouncer")
    files = {
        "pgbouncer.ini": configuration(stack),
        "hba.conf": hba_text(stack),
        "users.txt": user_list(stack),
    }

    async def prepare() -> None:
        for name, text in files.items():
            write_private(folder / name, text, owner=stack.server_owner)

    async def ready() -> bool:
        """Through each alias: after PostgreSQL was away, one can still refuse while another answers."""
        first, *others = (
            stack.postgres_url(alias.logins[0], alias.name, port="pgbouncer") for alias in aliases()
        )
        # a login costs both sides, and while PostgreSQL is away one refusal is answer enough
        if not await answers_sql(first, ca_file=stack.ca_file):
            return False
        return all(await asyncio.gather(*(answers_sql(url, ca_file=stack.ca_file) for url in others)))

    return Part(
        name="pgbouncer",
        command=(program("pgbouncer"), str(folder / "pgbouncer.ini")),
        needs=("postgres", "roles"),
        cwd=folder,
        user=stack.server_user,
        log=stack.log("pgbouncer"),
        prepare=prepare,
        ready=ready,
        stop_seconds=5,
        fingerprint=lambda: fingerprint(*files.values(), certificates=stack.certificates),
        ports=(stack.ports["pgbouncer"],),
    )
