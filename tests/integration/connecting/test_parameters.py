"""What the parameters of TLS do on real servers; psql, or psycopg's newer libpq, says what is right."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import psycopg
import pytest

from common.postgres.url import Surroundings, parse_url
from quartet_cli.stack.commands import run
from tests.support.outcomes import ours, psql
from tests.support.own_servers import HOST, PASSWORD, OwnServer


@pytest.fixture(scope="module")
async def good(authorities, postgres_tls) -> tuple[Path, Path]:
    """What PostgreSQL shows here."""
    pair = authorities.issue("good")
    await postgres_tls(pair)
    return pair


async def both(url: str) -> tuple[str, str]:
    theirs, own = await asyncio.gather(psql(url), ours(url))
    return own, theirs


async def newer_libpq(url: str) -> str:
    def connect() -> str:
        with psycopg.connect(url, connect_timeout=20) as connection:
            return "tls" if connection.pgconn.ssl_in_use else "plain"

    try:
        return await asyncio.to_thread(connect)
    except psycopg.OperationalError:
        return "refused"


def own_certificate(pair: tuple[Path, Path], query: str = "") -> str:
    certificate, key = pair
    return f"sslmode=require&sslcert={certificate}&sslkey={key}&{query}"


@pytest.mark.usefixtures("good")
class TestCertificateOfTheClient:
    async def test_lets_in_whom_it_names(self, postgres, authorities):
        query = own_certificate(authorities.issue("certified"))

        assert await both(postgres.url("certified", query)) == ("tls", "tls")

    async def test_is_needed_where_the_server_wants_one(self, postgres):
        assert await both(postgres.url("certified", "sslmode=require")) == ("refused", "refused")

    async def test_of_another_name_or_authority_lets_nobody_in(self, postgres, authorities):
        other_name = own_certificate(authorities.issue("somebody"))
        other_authority = own_certificate(authorities.other.issue("certified"))

        for query in (other_name, other_authority):
            assert await both(postgres.url("certified", query)) == ("refused", "refused")

    async def test_is_shown_by_the_modes_that_may_fall_back_too(self, postgres, authorities):
        query = own_certificate(authorities.issue("certified"))

        for mode in ("allow", "prefer"):
            url = postgres.url("certified", query.replace("require", mode))
            assert await both(url) == ("tls", "tls")

    async def test_may_have_an_encrypted_key(self, postgres, authorities):
        pair = authorities.issue("certified", password=b"opens it", stem="encrypted")

        right = postgres.url("certified", own_certificate(pair, "sslpassword=opens%20it"))
        wrong = postgres.url("certified", own_certificate(pair, "sslpassword=does%20not"))

        assert await both(right) == ("tls", "tls")
        assert await both(wrong) == ("refused", "refused")

    async def test_with_a_key_that_others_may_read_is_refused(self, postgres, authorities):
        certificate, key = authorities.issue("certified", stem="readable")
        key.chmod(0o644)

        url = postgres.url("certified", own_certificate((certificate, key)))

        assert await both(url) == ("refused", "refused")

    async def test_may_be_found_in_a_folder(self, postgres, authorities, tmp_path):
        for file, name in zip(authorities.issue("certified"), ("tls.crt", "tls.key"), strict=True):
            (tmp_path / name).symlink_to(file)

        around = Surroundings(folder=tmp_path)

        assert await ours(postgres.url("certified", "sslmode=require"), around) == "tls"


class TestVersion:
    @pytest.fixture
    async def old_server(self, postgres, postgres_tls, good) -> AsyncIterator[OwnServer]:
        await postgres_tls(good, newest="TLSv1.2")
        yield postgres
        await postgres_tls(good)

    async def test_that_the_server_lacks_is_refused(self, old_server):
        url = old_server.url("strict", "sslmode=require&ssl_min_protocol_version=TLSv1.3")

        assert await both(url) == ("refused", "refused")

    async def test_below_the_oldest_that_is_allowed_is_not_spoken(self, old_server):
        assert await both(old_server.url("strict", "sslmode=require")) == ("tls", "tls")

    async def test_above_the_newest_that_is_allowed_is_not_spoken(self, postgres, good):
        url = postgres.url("strict", "sslmode=require&ssl_max_protocol_version=TLSv1.2")

        connection = await parse_url(url).connect()
        spoken = await connection.fetchval("SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        await connection.close()

        assert spoken == "TLSv1.2"
        assert await both(url) == ("tls", "tls")


class TestRevocation:
    async def test_may_be_looked_up_in_a_folder(self, postgres, postgres_tls, authorities, tmp_path):
        hashed = await run("openssl", "crl", "-hash", "-noout", "-in", str(authorities.revocations))
        (tmp_path / f"{hashed.strip()}.r0").symlink_to(authorities.revocations)
        query = f"sslmode=verify-ca&sslrootcert={authorities.trusted.ca_file}&sslcrldir={tmp_path}"
        url = postgres.url("strict", query)

        await postgres_tls(authorities.revoked)
        when_revoked = await both(url)
        await postgres_tls(authorities.issue("good"))

        assert when_revoked == ("refused", "refused")
        assert await both(url) == ("tls", "tls")


@pytest.mark.usefixtures("good")
class TestRootOfTheSystem:
    async def test_lets_through_whom_this_machine_trusts(self, postgres, authorities, monkeypatch):
        monkeypatch.setenv("SSL_CERT_FILE", str(authorities.trusted.ca_file))
        url = postgres.url("strict", "sslrootcert=system&sslmode=verify-full")

        assert (await ours(url), await newer_libpq(url)) == ("tls", "tls")

    async def test_lets_nobody_else_through(self, postgres, authorities, monkeypatch):
        monkeypatch.setenv("SSL_CERT_FILE", str(authorities.other.ca_file))
        url = postgres.url("lenient", "sslrootcert=system")

        assert (await ours(url), await newer_libpq(url)) == ("refused", "refused")

    @pytest.mark.parametrize("mode", ["allow", "prefer", "require", "verify-ca"])
    async def test_wants_the_name_looked_at(self, postgres, mode):
        url = postgres.url("lenient", f"sslrootcert=system&sslmode={mode}")

        assert (await ours(url), await newer_libpq(url)) == ("refused", "refused")


class Straight:
    """As PostgreSQL 17: TLS from the first byte, and only for who names the protocol."""

    def __init__(self, pair: tuple[Path, Path], postgres: OwnServer) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(*pair)
        self._context.set_alpn_protocols(["postgresql"])
        self._postgres = postgres

    async def serve(self) -> asyncio.Server:
        return await asyncio.start_server(self._connected, HOST, 0, ssl=self._context)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if writer.get_extra_info("ssl_object").selected_alpn_protocol() != "postgresql":
            writer.close()
            return
        theirs = await asyncio.open_connection(HOST, self._postgres.port)
        await asyncio.gather(_pass_on(reader, theirs[1]), _pass_on(theirs[0], writer))


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


class TestDirectNegotiation:
    @pytest.fixture
    async def straight(self, postgres, good) -> AsyncIterator[str]:
        server = await Straight(good, postgres).serve()
        yield f"postgresql://lenient@{HOST}:{server.sockets[0].getsockname()[1]}/postgres?"
        server.close()

    async def test_speaks_tls_from_the_first_byte(self, straight, authorities):
        files = f"sslmode=verify-full&sslrootcert={authorities.trusted.ca_file}"
        url = f"{straight}{files}&sslnegotiation=direct"

        assert (await ours(url), await newer_libpq(url)) == ("tls", "tls")

    async def test_checks_the_certificate_as_ever(self, straight, authorities):
        files = f"sslmode=verify-full&sslrootcert={authorities.other.ca_file}"
        url = f"{straight}{files}&sslnegotiation=direct"

        assert (await ours(url), await newer_libpq(url)) == ("refused", "refused")

    async def test_is_not_understood_by_an_older_server(self, postgres, good):
        url = postgres.url("strict", "sslmode=require&sslnegotiation=direct")

        assert (await ours(url), await newer_libpq(url)) == ("refused", "refused")


@pytest.mark.usefixtures("good")
class TestWrongPassword:
    @pytest.mark.parametrize("mode", ["allow", "prefer", "require"])
    async def test_is_what_the_error_says(self, postgres, mode):
        url = postgres.url("secretive:hunter3", f"sslmode={mode}")

        with pytest.raises(asyncpg.InvalidPasswordError) as refused:
            await parse_url(url).connect()

        assert "hunter" not in str(refused.value)

    @pytest.mark.parametrize("mode", ["allow", "prefer", "require"])
    async def test_is_the_only_reason(self, postgres, mode):
        assert await both(postgres.url(f"secretive:{PASSWORD}", f"sslmode={mode}")) == (
            ("plain", "plain") if mode == "allow" else ("tls", "tls")
        )
