"""A PostgreSQL and poolers of a test's own, whose certificates and rules it may change while they run."""

import asyncio
import os
import shutil
import signal
import ssl
import tempfile
from asyncio.subprocess import DEVNULL, STDOUT, Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from quartet_cli.stack.commands import run
from quartet_cli.stack.files import Owner, make_folder, write_private
from quartet_cli.stack.server_user import ensure_server_user
from quartet_cli.stack.versions import postgres_program, program
from tests.support.ports import free_port
from tests.support.waiting import eventually

HOST = "127.0.0.1"
# who may come how; certificates of clients are of the authority that the server trusts
HBA = """\
host all postgres 127.0.0.1/32 trust
hostssl all strict 127.0.0.1/32 trust
host all lenient 127.0.0.1/32 trust
hostnossl all plain 127.0.0.1/32 trust
host all secretive 127.0.0.1/32 scram-sha-256
hostssl all certified 127.0.0.1/32 cert
"""
LOGINS = ("strict", "lenient", "plain", "certified")
PASSWORD = "hunter2-hunter2"


@dataclass(frozen=True)
class Home:
    """A folder that the servers' user may enter, and that user."""

    path: Path
    user: str | None

    def write(self, name: str, content: str | bytes) -> Path:
        write_private(self.path / name, content, owner=Owner(self.user))
        return self.path / name

    def copy(self, file: Path, name: str) -> None:
        self.write(name, file.read_bytes())


@asynccontextmanager
async def home() -> AsyncGenerator[Home]:
    user = ensure_server_user() if os.geteuid() == 0 else None
    path = make_folder(Path(tempfile.mkdtemp(prefix="quartet-own-")), owner=Owner(user))
    try:
        yield Home(path, user)
    finally:
        shutil.rmtree(path)


@dataclass(frozen=True)
class OwnServer:
    home: Home
    name: str
    port: int
    process: Process

    def url(self, login: str, query: str = "", *, host: str = HOST) -> str:
        return f"postgresql://{login}@{host}:{self.port}/postgres?{query}"

    async def speak_tls(self, certificate: Path, key: Path, settings: str) -> None:
        """Returns when new connections are shown this certificate."""
        self.home.copy(certificate, f"{self.name}.crt")
        self.home.copy(key, f"{self.name}.key")
        await self._reload(settings, shown=_der(certificate))

    async def speak_no_tls(self, settings: str) -> None:
        await self._reload(settings, shown=None)

    async def shown_certificate(self) -> bytes | None:
        connection = await asyncpg.connect(self.url("lenient"), ssl="prefer", statement_cache_size=0)
        tls = connection._transport.get_extra_info("ssl_object")
        await connection.close()
        return None if tls is None else tls.getpeercert(binary_form=True)

    async def answers(self) -> bool:
        with suppress(OSError, asyncpg.PostgresError):
            await self.shown_certificate()
            return True
        return False

    async def _reload(self, settings: str, *, shown: bytes | None) -> None:
        self.home.write(f"{self.name}.conf", settings)
        self.process.send_signal(signal.SIGHUP)

        async def is_shown() -> bool:
            return await self.shown_certificate() == shown

        await eventually(is_shown)


def _der(certificate: Path) -> bytes:
    return ssl.PEM_cert_to_DER_cert(certificate.read_text())


@asynccontextmanager
async def running(home: Home, *command: str, stop: signal.Signals) -> AsyncGenerator[Process]:
    with (home.path / "log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *command, cwd=home.path, user=home.user, stdin=DEVNULL, stdout=log, stderr=STDOUT
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(stop)
            await process.wait()


@asynccontextmanager
async def own_postgres() -> AsyncGenerator[OwnServer]:
    async with home() as folder:
        data, port = folder.path / "data", free_port()
        await run(
            *(postgres_program("initdb"), f"--pgdata={data}", "--username=postgres", "--no-sync"),
            *("--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8"),
            user=folder.user,
            cwd=folder.path,
        )
        files = (folder.write("postgres.conf", ""), folder.write("hba.conf", HBA))
        settings = (
            *(f"config_file={files[0]}", f"hba_file={files[1]}", f"listen_addresses={HOST}"),
            *(f"port={port}", "unix_socket_directories=", "fsync=off", "shared_buffers=16MB"),
        )
        command = (postgres_program("postgres"), "-D", str(data), *(f"--{setting}" for setting in settings))
        async with running(folder, *command, stop=signal.SIGINT) as process:
            server = OwnServer(folder, "postgres", port, process)
            await eventually(lambda: _make_logins(server), within=30)
            yield server


async def _make_logins(server: OwnServer) -> bool:
    try:
        connection = await asyncpg.connect(server.url("postgres"), ssl=False)
    except (OSError, asyncpg.CannotConnectNowError):
        return False
    made = "".join(f"CREATE ROLE {login} LOGIN;" for login in LOGINS)
    await connection.execute(f"{made} CREATE ROLE secretive LOGIN PASSWORD '{PASSWORD}'")
    await connection.close()
    return True


POSTGRES_TLS = """\
ssl = on
ssl_cert_file = '{folder}/postgres.crt'
ssl_key_file = '{folder}/postgres.key'
ssl_ca_file = '{ca_file}'
ssl_max_protocol_version = '{newest}'
"""
POOLER = """\
[databases]
postgres = host=127.0.0.1 port={postgres} dbname=postgres user=postgres pool_size={size}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
pidfile =
auth_type = hba
auth_hba_file = {folder}/hba.conf
auth_file = {folder}/users.txt
pool_mode = {mode}
stats_users = lenient
"""
POOLER_TLS = """\
client_tls_sslmode = allow
client_tls_cert_file = {folder}/pooler.crt
client_tls_key_file = {folder}/pooler.key
"""


@dataclass(frozen=True)
class OwnPooler(OwnServer):
    settings: str

    @property
    def tls_settings(self) -> str:
        return self.settings + POOLER_TLS.format(folder=self.home.path)


@asynccontextmanager
async def own_pooler(
    postgres: OwnServer, *, size: int = 5, mode: str = "transaction"
) -> AsyncGenerator[OwnPooler]:
    async with home() as folder:
        folder.write("hba.conf", HBA.replace("cert\n", "trust\n"))
        folder.write("users.txt", "".join(f'"{login}" ""\n' for login in ("postgres", *LOGINS)))
        port = free_port()
        settings = POOLER.format(postgres=postgres.port, size=size, port=port, folder=folder.path, mode=mode)
        config = folder.write("pooler.conf", settings)
        command = (program("pgbouncer"), str(config))
        async with running(folder, *command, stop=signal.SIGTERM) as process:
            pooler = OwnPooler(folder, "pooler", port, process, settings)
            await eventually(pooler.answers)
            yield pooler
