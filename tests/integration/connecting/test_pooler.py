"""What DATABASE_POOLER=auto finds out, by servers of the test's own."""

import asyncio
import struct

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from common.postgres.pooler import ask_version, find_pooler, settle_pooler
from common.postgres.url import fix_async_database_url, parse_url
from common.settings import DatabaseSettings
from tests.support.own_servers import HOST
from tests.support.ports import free_port


def settings(url: str, **chosen: object) -> DatabaseSettings:
    return DatabaseSettings.model_validate({"url": url} | chosen)


class TestFindingOut:
    async def test_that_there_is_none(self, postgres):
        assert await find_pooler(parse_url(postgres.url("lenient"))) == ("none", "process id")

    async def test_that_there_is_one(self, pooler):
        found, by = await find_pooler(parse_url(pooler.url("lenient")))

        assert (found, by) == ("transaction", f"SHOW VERSION: {'.'.join(map(str, await version(pooler)))}")

    async def test_that_there_is_one_whose_console_is_closed_to_this_login(self, pooler):
        found = await find_pooler(parse_url(pooler.url("plain", "sslmode=disable")))

        assert found == ("transaction", "process id")

    @pytest.mark.parametrize(
        "place",
        ["db:6432", "db:6543", "pgbouncer.internal", "ep-cool-pooler.example", "aws.pooler.example:5432"],
    )
    async def test_by_its_usual_name_or_port(self, place):
        assert await find_pooler(parse_url(f"postgresql://u@{place}/d")) == ("transaction", "host or port")

    async def test_nothing_of_a_database_that_is_away_and_then_being_careful(self):
        found, by = await find_pooler(parse_url(f"postgresql://u@{HOST}:{free_port()}/d"))

        assert (found, by) == ("transaction", "nothing: the database does not answer")


async def version(pooler) -> tuple[int, ...]:
    found = await ask_version(parse_url(pooler.url("lenient")))
    assert found is not None
    return found


class TestSetting:
    @pytest.mark.parametrize("said", ["none", "session", "transaction"])
    async def test_wins_over_what_could_be_found(self, pooler, said):
        chosen = settings(pooler.url("lenient"), pooler=said)

        assert (await settle_pooler(chosen, service="auth")).pooler == said

    async def test_auto_becomes_what_is_there(self, postgres, pooler):
        direct, through = settings(postgres.url("lenient")), settings(pooler.url("lenient"))

        assert (await settle_pooler(direct, service="auth")).pooler == "none"
        assert (await settle_pooler(through, service="auth")).pooler == "transaction"

    async def test_that_statements_are_kept_is_not_believed_of_a_pooler_that_is_too_old(self, pooler):
        chosen = settings(pooler.url("lenient"), pooler="transaction", prepared_statements=True)

        settled = await settle_pooler(chosen, service="auth")

        assert settled.prepared_statements == (await version(pooler) >= (1, 21))

    async def test_that_statements_are_kept_is_believed_where_nobody_can_be_asked(self, pooler):
        url = pooler.url("plain", "sslmode=disable")

        settled = await settle_pooler(
            settings(url, pooler="transaction", prepared_statements=True), service="auth"
        )

        assert settled.prepared_statements


class TestStartOfAConnection:
    async def test_names_nothing_that_a_pooler_would_refuse(self):
        heard: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            (length,) = struct.unpack("!i", await reader.readexactly(4))
            heard.set_result(await reader.readexactly(length - 4))
            writer.close()

        server = await asyncio.start_server(listen, HOST, 0)
        place = f"{HOST}:{server.sockets[0].getsockname()[1]}"
        url, arguments = fix_async_database_url(
            f"postgresql://u:pw@{place}/d?sslmode=disable&application_name=x&connect_timeout=9&client_encoding=utf8"
        )
        engine = create_async_engine(url, connect_args=arguments, poolclass=sa.NullPool)

        with pytest.raises(Exception, match="connection was closed"):
            await engine.connect()
        server.close()

        words = (await heard)[4:].rstrip(b"\0").split(b"\0")
        said = dict(zip(words[::2], words[1::2], strict=True))
        assert sorted(said) == [b"application_name", b"client_encoding", b"database", b"user"]
        # of two the last counts; spelled otherwise a pooler would set it before each transaction
        assert said[b"client_encoding"] == b"UTF8"
