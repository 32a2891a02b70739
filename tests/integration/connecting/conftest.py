from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from tests.support.authority import Authorities, Authority
from tests.support.own_servers import POSTGRES_TLS, OwnPooler, OwnServer, own_pooler, own_postgres


@pytest.fixture(scope="session")
async def postgres() -> AsyncIterator[OwnServer]:
    async with own_postgres() as server:
        yield server


@pytest.fixture(scope="session")
async def pooler(postgres) -> AsyncIterator[OwnPooler]:
    async with own_pooler(postgres) as server:
        yield server


@pytest.fixture(scope="session")
def authorities(postgres, tmp_path_factory) -> Authorities:
    folder = tmp_path_factory.mktemp("authorities")
    trusted, other = Authority(folder, name="trusted"), Authority(folder, name="other")
    revoked = trusted.issue("revoked")
    postgres.home.write("ca.crt", trusted.ca_file.read_bytes())
    return Authorities(folder, trusted, other, revoked, trusted.revocation_list(revoked[0]))


@pytest.fixture(scope="session")
def postgres_tls(postgres) -> Callable[..., Awaitable[None]]:
    """Lets PostgreSQL show a certificate, and speak no newer TLS than is said."""

    async def speak(pair: tuple[Path, Path], newest: str = "") -> None:
        folder = postgres.home.path
        settings = POSTGRES_TLS.format(folder=folder, ca_file=folder / "ca.crt", newest=newest)
        await postgres.speak_tls(*pair, settings)

    return speak
