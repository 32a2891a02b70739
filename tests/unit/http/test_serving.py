import asyncio
import socket
import ssl
import time
from collections.abc import AsyncGenerator

import httpx
import pytest
from fastapi import APIRouter, Request
from starlette.responses import StreamingResponse

from common.http import connections
from common.http.app import create_app
from common.http.connections import common_name
from common.http.internal import Operator, caller
from common.http.serving import Listener, PortTakenError, Serving
from common.http.tls import internal_client_tls, internal_server_tls
from tests.support.authority import Authority
from tests.support.listening import served
from tests.support.waiting import eventually, happens, throughout

PATIENCE_SECONDS = 5
"""Half a second on a quiet machine; a caller who is waited for keeps the server ten seconds at least."""

CHUNKED = b"POST /headers HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n"


class Gate:
    """A route that answers when it is let."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.open = asyncio.Event()
        self.cancelled = False
        router = APIRouter()
        router.get("/wait")(self.wait)
        router.get("/now")(self.now)
        router.get("/stream")(self.stream)
        router.post("/headers")(self.headers)
        self.app = create_app(title="Gate", service="gate", routers=[router], prefix="")

    async def now(self) -> str:
        return "now"

    async def stream(self) -> StreamingResponse:
        async def parts() -> AsyncGenerator[bytes]:
            yield b"begun"
            await self.open.wait()

        return StreamingResponse(parts())

    async def headers(self, request: Request) -> list[str]:
        await request.body()
        return request.headers.keys()

    async def wait(self) -> str:
        self.entered.set()
        try:
            await self.open.wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        return "done"


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
async def serving(gate: Gate) -> AsyncGenerator[Serving]:
    async with served(gate.app) as opened:
        yield opened


@pytest.fixture
async def client(serving: Serving) -> AsyncGenerator[httpx.AsyncClient]:
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{serving.port('public')}", trust_env=False, verify=False
    ) as opened:
        yield opened


async def seconds(stopping: asyncio.Task[None]) -> float:
    began = time.perf_counter()
    await stopping
    return time.perf_counter() - began


class TestStopping:
    async def test_lets_a_request_finish_and_then_closes(
        self, gate: Gate, serving: Serving, client: httpx.AsyncClient
    ):
        asked = asyncio.create_task(client.get("/wait"))
        await happens(gate.entered)

        stopping = asyncio.create_task(serving.stop(within_seconds=30))
        await eventually(lambda: refused(serving.port("public")))
        gate.open.set()

        answer = await asked
        await stopping
        assert answer.json() == "done"
        assert answer.headers["connection"] == "close"

    async def test_hangs_up_an_idle_caller(self, serving: Serving, client: httpx.AsyncClient):
        assert (await client.get("/now")).status_code == 200

        taken = await seconds(asyncio.create_task(serving.stop(within_seconds=30)))

        assert taken < PATIENCE_SECONDS

    async def test_hangs_up_a_caller_who_never_asked(self, serving: Serving):
        _, writer = await asyncio.open_connection("127.0.0.1", serving.port("public"))

        taken = await seconds(asyncio.create_task(serving.stop(within_seconds=30)))

        writer.close()
        assert taken < PATIENCE_SECONDS

    async def test_hangs_up_idle_tls_callers_who_do_not_read(self, gate: Gate, authority: Authority):
        tls = internal_server_tls(authority.settings("auth"))
        async with served(gate.app, tls=tls) as serving:
            idle = await asyncio.to_thread(idle_tls_caller, serving.port("public"), authority)

            taken = await seconds(asyncio.create_task(serving.stop(within_seconds=30)))

            idle.close()
        assert taken < PATIENCE_SECONDS

    async def test_does_not_wait_for_a_handshake_that_never_comes(self, gate: Gate, authority: Authority):
        tls = internal_server_tls(authority.settings("auth"))
        async with served(gate.app, tls=tls) as serving:
            _, writer = await asyncio.open_connection("127.0.0.1", serving.port("public"))

            taken = await seconds(asyncio.create_task(serving.stop(within_seconds=30)))

            writer.close()
        assert taken < PATIENCE_SECONDS

    async def test_cancels_who_is_not_done_in_time_with_an_answer(
        self, gate: Gate, serving: Serving, client: httpx.AsyncClient
    ):
        asked = asyncio.create_task(client.get("/wait"))
        await happens(gate.entered)

        await serving.stop(within_seconds=0.1)

        answer = await asked
        assert answer.status_code == 503
        assert answer.json()["code"] == "server.stopping"
        assert gate.cancelled

    async def test_of_one_listener_leaves_the_others(self, gate: Gate):
        serving = Serving([Listener(name, gate.app, "127.0.0.1", 0) for name in ("public", "probes")])
        await serving.start()
        await serving.stop("public", within_seconds=1)

        async with httpx.AsyncClient(trust_env=False, verify=False) as client:
            answer = await client.get(f"http://127.0.0.1:{serving.port('probes')}/now")

        assert answer.status_code == 200
        assert await refused(serving.port("public"))
        await serving.stop(within_seconds=1)


class TestSendingCallersAway:
    async def test_serves_on_and_closes_after_each_answer(self, serving: Serving, client: httpx.AsyncClient):
        before = await client.get("/now")

        serving.send_callers_away()
        after = [await client.get("/now") for _ in range(2)]

        assert "connection" not in before.headers
        assert [answer.headers["connection"] for answer in after] == ["close", "close"]
        assert [answer.status_code for answer in after] == [200, 200]


class TestWhatIsNoSaneHttp:
    @pytest.mark.parametrize(
        "sent",
        [
            b"CONNECT example.org:443 HTTP/1.1\r\n\r\n",
            b"GET /\xff HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
            b"GET / HTTP/1.1\r\nX: " + b"x" * 70_000,
            b"GET /" + b"x" * 70_000,
            b"\x00",
        ],
    )
    async def test_is_answered_400_and_hung_up(self, serving: Serving, sent: bytes):
        reader, writer = await asyncio.open_connection("127.0.0.1", serving.port("public"))
        writer.write(sent)

        answer = await asyncio.wait_for(reader.read(), timeout=5)

        writer.close()
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert b"application/problem+json" in answer

    async def test_is_hung_up_in_the_midst_of_an_answer(self, gate: Gate, serving: Serving):
        reader, writer = await asyncio.open_connection("127.0.0.1", serving.port("public"))
        writer.write(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
        begun = await reader.readuntil(b"begun\r\n")

        writer.write(b"nonsense\r\n\r\n")
        rest = await asyncio.wait_for(reader.read(), timeout=5)

        writer.close()
        assert begun.startswith(b"HTTP/1.1 200 ")
        assert b"HTTP/1.1" not in rest

    async def test_is_not_a_long_life(self, serving: Serving, client: httpx.AsyncClient):
        """The limit is on one request's head, not on all heads of a connection."""
        large = {"X-Large": "x" * 30_000}

        answers = [await client.get("/now", headers=large) for _ in range(4)]

        assert [answer.status_code for answer in answers] == [200] * 4


class TestFieldsAfterABody:
    async def test_are_no_headers(self, serving: Serving):
        """A gateway sets X-Forwarded-For; a second one behind the body would pass for the nearest hop."""
        reader, writer = await asyncio.open_connection("127.0.0.1", serving.port("public"))
        writer.write(CHUNKED + b"0\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n")

        answer = await asyncio.wait_for(reader.readuntil(b"]"), timeout=5)

        writer.close()
        assert answer.endswith(b'["host","transfer-encoding"]')

    async def test_have_an_end(self, serving: Serving):
        _, writer = await asyncio.open_connection("127.0.0.1", serving.port("public"))
        writer.write(CHUNKED + b"0\r\nX: ")

        with pytest.raises(ConnectionError):
            await write_on(writer, megabytes=8)
        writer.close()


class TestASlowCaller:
    """Bytes that come one by one are no reason to keep a connection."""

    @pytest.fixture(autouse=True)
    def _hurried(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(connections, "HEAD_SECONDS", 0.2)

    async def test_who_says_nothing_is_hung_up_on(self, serving: Serving):
        reader, writer = await asyncio.open_connection("127.0.0.1", serving.port("public"))

        assert await reader.read() == b""
        writer.close()

    @pytest.mark.parametrize("before", [b"", b"GET /now HTTP/1.1\r\nHost: x\r\n\r\n"])
    async def test_who_does_not_finish_the_head_is_answered_400(self, serving: Serving, before: bytes):
        reader, writer = await asyncio.open_connection("127.0.0.1", serving.port("public"))
        writer.write(before + b"GET /now HTTP/1.1\r\nX-Slow: ")

        answer = await reader.read()

        writer.close()
        assert answer.count(b"HTTP/1.1 ") == 1 + bool(before)
        assert b"HTTP/1.1 400 " in answer

    async def test_who_was_answered_and_does_not_finish_the_body_is_hung_up_on(self, serving: Serving):
        reader, writer = await asyncio.open_connection("127.0.0.1", serving.port("public"))
        writer.write(b"POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n12345")
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"6")

        await asyncio.wait_for(reader.read(), timeout=5)
        writer.close()

    async def test_who_finishes_the_body_after_the_answer_may_go_on(self, serving: Serving):
        reader, writer = await asyncio.open_connection("127.0.0.1", serving.port("public"))
        writer.write(b"POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n12345")
        await reader.readuntil(b"}")
        writer.write(b"6789GET /now HTTP/1.1\r\nHost: x\r\n\r\n")

        assert await asyncio.wait_for(reader.readuntil(b'"now"'), timeout=5)
        writer.close()

    async def test_of_an_answer_is_waited_for(self, gate: Gate, serving: Serving, client: httpx.AsyncClient):
        asked = asyncio.create_task(client.get("/wait"))
        await happens(gate.entered)
        await throughout(lambda: not asked.done(), seconds=0.4)
        gate.open.set()

        assert (await asked).json() == "done"

    async def test_between_requests_is_kept(self, serving: Serving, client: httpx.AsyncClient):
        await client.get("/now")
        await throughout(lambda: len(serving._servers["public"].server_state.connections) == 1, seconds=0.4)

        assert (await client.get("/now")).status_code == 200


class TestListening:
    async def test_on_a_taken_port_names_port_and_setting(self, gate: Gate):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            serving = Serving(
                [
                    Listener("probes", gate.app, "127.0.0.1", 0),
                    Listener("public", gate.app, "127.0.0.1", port, setting="HTTP_PORT"),
                ]
            )

            with pytest.raises(PortTakenError, match=rf"127\.0\.0\.1:{port} .*HTTP_PORT moves it"):
                await serving.start()


class TestTheInternalPort:
    @pytest.fixture
    async def address(self, authority: Authority) -> AsyncGenerator[str]:
        router = APIRouter()

        @router.get("/operate")
        async def operate(name: Operator) -> str:
            return name

        @router.get("/open")
        async def get_open() -> str:
            return "anybody"

        app = create_app(title="Internal", service="auth", routers=[router], prefix="")
        async with served(app, tls=internal_server_tls(authority.settings("auth"))) as serving:
            yield f"https://127.0.0.1:{serving.port('public')}"

    async def test_lets_in_the_name_that_the_route_lists(self, address: str, authority: Authority):
        answer = await ask(f"{address}/operate", internal_client_tls(authority.settings("operator")))

        assert answer.json() == "operator"

    async def test_refuses_another_name(self, address: str, authority: Authority):
        answer = await ask(f"{address}/operate", authority.client("profile"))

        assert (answer.status_code, answer.json()["code"]) == (403, "caller.not_allowed")

    async def test_refuses_nobody(self, address: str, authority: Authority):
        answer = await ask(f"{address}/operate", authority.client())

        assert (answer.status_code, answer.json()["code"]) == (401, "certificate.missing")

    async def test_serves_nobody_where_no_name_is_asked_for(self, address: str, authority: Authority):
        assert (await ask(f"{address}/open", authority.client())).json() == "anybody"

    async def test_refuses_a_certificate_with_two_names(self, address: str, authority: Authority):
        answer = await ask(f"{address}/operate", authority.client("operator", "profile"))

        assert answer.status_code == 401

    async def test_hangs_up_on_another_authoritys_certificate(
        self, address: str, authority: Authority, tmp_path_factory: pytest.TempPathFactory
    ):
        stranger = Authority(tmp_path_factory.mktemp("stranger"), name="stranger")

        with pytest.raises(httpx.TransportError):
            await ask(f"{address}/operate", stranger.client("operator", trusting=authority))


class TestACallerList:
    def test_is_a_set_of_names(self):
        assert caller("operator", "auth").names == {"operator", "auth"}

    def test_reads_the_only_common_name(self):
        assert common_name({"subject": ((("commonName", "auth"),),)}) == "auth"


async def ask(url: str, tls: ssl.SSLContext) -> httpx.Response:
    async with httpx.AsyncClient(verify=tls, trust_env=False) as client:
        return await client.get(url)


async def write_on(writer: asyncio.StreamWriter, *, megabytes: int) -> None:
    for _ in range(megabytes * 16):
        writer.write(b"x" * 65_536)
        await writer.drain()


async def refused(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return True
    writer.close()
    return False


def idle_tls_caller(port: int, authority: Authority) -> ssl.SSLSocket:
    """Asked once, then keeps the connection and reads nothing: no answer to a goodbye."""
    raw = socket.create_connection(("127.0.0.1", port))
    idle = authority.client().wrap_socket(raw, server_hostname="localhost")
    idle.sendall(b"GET /now HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert idle.recv(65_536).startswith(b"HTTP/1.1 200")
    return idle
