"""A storage of S3's protocol of a test's own: it checks signatures; the way to it may be cut or hang."""

import asyncio
import fcntl
import shutil
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from common.blobs import Blobs, StorageSettings
from quartet_cli.stack.description import CHECKOUT, HOST
from quartet_cli.stack.files import Owner, make_folder
from quartet_cli.stack.jars import JarSet
from quartet_cli.stack.kafka_jars import ensure_jars
from quartet_cli.stack.versions import program
from tests.support.ports import free_port
from tests.support.waiting import eventually

CACHE = CHECKOUT / "var" / "cache"
S3PROXY = JarSet("s3proxy", Path(__file__).parent / "s3proxy")
BUCKET = "quartet-test"
ACCESS_KEY = "quartet"
SECRET_KEY = "hunter2-hunter2-hunter2"
OpenBlobs = Callable[[StorageSettings], Blobs]
PATIENT = {"timeout_seconds": 10}
"""Longer than a loaded machine takes; tests that wait for a time-out ask for a short one."""
JVM = ("-Xms32m", "-Xmx128m", "-Xss512k", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
SETTINGS = """\
s3proxy.endpoint=http://127.0.0.1:{port}
s3proxy.authorization=aws-v4
s3proxy.identity={access_key}
s3proxy.credential={secret_key}
jclouds.provider=filesystem-nio2
jclouds.filesystem.basedir={objects}
"""


@dataclass
class Line:
    """What clients reach the storage by: closed, nobody answers; held, it takes calls and says nothing."""

    target: int
    port: int = field(default_factory=free_port)
    calls: int = 0
    _open: asyncio.Event = field(default_factory=asyncio.Event)
    _server: asyncio.Server | None = None
    _calls: set[asyncio.Task[None]] = field(default_factory=set)

    async def open(self) -> None:
        self._open.set()
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, HOST, self.port)

    def hold(self) -> None:
        self._open.clear()

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for call in self._calls:
            call.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.calls += 1
        call = asyncio.create_task(self._carry(reader, writer))
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, forth = await asyncio.open_connection(HOST, self.target)
        ways = asyncio.gather(self._pump(reader, forth), self._pump(back, writer))
        try:
            with suppress(OSError):
                await ways
        finally:
            writer.close()
            forth.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(65_536):
            await self._open.wait()
            writer.write(piece)
            await writer.drain()
        writer.close()


@dataclass(frozen=True)
class OwnS3:
    port: int
    objects: Path
    line: Line

    def settings(self, **changed: object) -> StorageSettings:
        told = {
            "endpoint": f"http://{HOST}:{self.line.port}",
            "bucket": BUCKET,
            "access_key": ACCESS_KEY,
            "secret_key": SECRET_KEY,
        }
        return StorageSettings.model_validate(told | changed)

    def kept(self, name: str) -> bytes:
        return (self.objects / BUCKET / name).read_bytes()

    async def empty(self) -> None:
        await asyncio.to_thread(shutil.rmtree, self.objects / BUCKET)
        (self.objects / BUCKET).mkdir()


@asynccontextmanager
async def own_s3(folder: Path) -> AsyncGenerator[OwnS3]:
    await ensure_jars_of_storage()
    port, objects = free_port(), folder / "objects"
    (objects / BUCKET).mkdir(parents=True)
    config = folder / "s3proxy.conf"
    told = {"port": port, "access_key": ACCESS_KEY, "secret_key": SECRET_KEY, "objects": objects}
    config.write_text(SETTINGS.format(**told))
    process = await asyncio.create_subprocess_exec(
        *(program("java"), *JVM, f"-Dlogback.configurationFile={S3PROXY.files / 'logback.xml'}"),
        *("-cp", S3PROXY.classpath(CACHE), "org.gaul.s3proxy.Main", "--properties", str(config)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=sys.stderr,
    )
    line = Line(port)
    try:
        await eventually(lambda: _answers(port), within=60)
        await line.open()
        yield OwnS3(port, objects, line)
    finally:
        await line.close()
        process.kill()
        await process.wait()


async def ensure_jars_of_storage() -> None:
    """Once, whichever of the tests' processes comes first."""
    make_folder(CACHE, owner=Owner(None), mode=0o755)
    with (CACHE / "s3proxy.lock").open("w") as lock:
        await asyncio.to_thread(fcntl.flock, lock, fcntl.LOCK_EX)
        await ensure_jars(S3PROXY, CACHE)


async def _answers(port: int) -> bool:
    async with httpx.AsyncClient() as client:
        try:
            return (await client.get(f"http://{HOST}:{port}/healthz")).is_success
        except httpx.TransportError:
            return False
