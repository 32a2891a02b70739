"""PostgreSQL: a cluster of its own, on TLS alone, never one that the machine already has."""

import shutil
from signal import SIGINT

from quartet_cli.stack.asking import answers_sql
from quartet_cli.stack.commands import run
from quartet_cli.stack.description import HOST, Stack
from quartet_cli.stack.files import make_folder, write_private
from quartet_cli.stack.part import Part
from quartet_cli.stack.prints import fingerprint
from quartet_cli.stack.versions import postgres_program

SUPERUSER = "postgres"
HBA = f"hostssl all all {HOST}/32 scram-sha-256\n"


def configuration(stack: Stack) -> str:
    durable = "on" if stack.durable else "off"
    settings = {
        # never `localhost`: PostgreSQL does not start where that name does not resolve
        "listen_addresses": HOST,
        "port": stack.ports["postgres"],
        # no socket file: its path would break at 107 characters, and TLS is what production has
        "unix_socket_directories": "",
        "max_connections": 250 if stack.workers else 120,
        "max_locks_per_transaction": 256,
        "shared_buffers": "64MB",
        "min_wal_size": "64MB",
        "max_wal_size": "512MB",
        "password_encryption": "scram-sha-256",
        "ssl": "on",
        "ssl_ca_file": stack.ca_file,
        "ssl_cert_file": stack.certificates / "postgres.crt",
        "ssl_key_file": stack.certificates / "postgres.key",
        "ssl_min_protocol_version": "TLSv1.2",
        "fsync": durable,
        "full_page_writes": durable,
        # without it acknowledged commits are lost when a process is killed, also in tests
        "synchronous_commit": "on",
        "max_wal_senders": 0,
        "wal_level": "minimal",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_line_prefix": "%m [%p] %q%u@%d/%a ",
        # statements may hold passwords and people's data
        "log_min_error_statement": "panic",
        "log_parameter_max_length_on_error": 0,
        "log_lock_waits": "on",
        "log_checkpoints": "off",
    }
    return "".join(f"{name} = '{value}'\n" for name, value in settings.items())


def postgres_part(stack: Stack) -> Part:
    folder = stack.folder("postgres")
    files = {"postgresql.conf": configuration(stack), "pg_hba.conf": HBA}

    async def prepare() -> None:
        for name, text in files.items():
            write_private(folder / name, text, owner=stack.server_owner)
        if not (folder / "data" / "PG_VERSION").exists():
            await _make_cluster(stack)

    async def ready() -> bool:
        return await answers_sql(stack.postgres_url(SUPERUSER, "postgres"), ca_file=stack.ca_file)

    return Part(
        name="postgres",
        command=(
            postgres_program("postgres"),
            "-D",
            str(folder / "data"),
            f"--config_file={folder / 'postgresql.conf'}",
            f"--hba_file={folder / 'pg_hba.conf'}",
        ),
        cwd=folder,
        user=stack.server_user,
        log=stack.log("postgres"),
        prepare=prepare,
        ready=ready,
        # INT closes connections and ends; TERM would wait for the last client
        stop_signal=SIGINT,
        stop_seconds=20,
        fingerprint=lambda: fingerprint(*files.values(), certificates=stack.certificates),
        ports=(stack.ports["postgres"],),
    )


async def _make_cluster(stack: Stack) -> None:
    """Made beside and moved into place, so that an interrupted one is never taken for a cluster."""
    folder = stack.folder("postgres")
    fresh = folder / "data.new"
    shutil.rmtree(fresh, ignore_errors=True)
    make_folder(fresh, owner=stack.server_owner)
    password = folder / "password"
    write_private(password, stack.passwords[SUPERUSER], owner=stack.server_owner)
    try:
        await run(
            postgres_program("initdb"),
            f"--pgdata={fresh}",
            f"--username={SUPERUSER}",
            f"--pwfile={password}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--data-checksums",
            *(() if stack.durable else ("--no-sync",)),
            user=stack.server_user,
            cwd=folder,
        )
    finally:
        password.unlink()
    fresh.rename(folder / "data")
