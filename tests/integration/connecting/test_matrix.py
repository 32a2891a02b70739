"""Each sslmode with each kind of certificate, direct and through PgBouncer: psql says what is right."""

import asyncio
from pathlib import Path

import pytest

from common.postgres.tls import SSL_MODES
from tests.support.authority import Authorities
from tests.support.outcomes import ours, psql
from tests.support.own_servers import OwnPooler, OwnServer

CERTIFICATES = ("good", "of another host", "of another authority", "expired", "revoked", "none")
GOOD_CHAINS = ("good", "of another host")
POLICIES = {"strict": "TLS only", "lenient": "TLS or not", "plain": "no TLS"}


def pair(authorities: Authorities, certificate: str) -> tuple[Path, Path]:
    match certificate:
        case "of another host":
            return authorities.issue("elsewhere", hosts=["elsewhere.example"])
        case "of another authority":
            return authorities.other.issue("stranger")
        case "expired":
            return authorities.issue("expired", days=-1)
        case "revoked":
            return authorities.revoked
        case _:
            return authorities.issue("good")


@pytest.fixture(scope="module", params=CERTIFICATES)
async def shown(request, authorities, postgres, postgres_tls, pooler) -> str:
    """Both servers show this certificate, or speak no TLS."""
    if request.param == "none":
        await asyncio.gather(postgres.speak_no_tls(""), pooler.speak_no_tls(pooler.settings))
    else:
        chosen = pair(authorities, request.param)
        await asyncio.gather(postgres_tls(chosen), pooler.speak_tls(*chosen, pooler.tls_settings))
    return request.param


@pytest.fixture(params=["direct", "through PgBouncer"])
def server(request, postgres: OwnServer, pooler: OwnPooler) -> OwnServer:
    return postgres if request.param == "direct" else pooler


def cells(server: OwnServer, files: str) -> dict[tuple[str, str], str]:
    """A URL for each mode of the client and, with files, for each rule of the server."""
    logins = POLICIES if files else ["strict"]
    return {
        (POLICIES[login], mode): server.url(login, f"sslmode={mode}&{files}")
        for login in logins
        for mode in SSL_MODES
    }


async def outcomes(by, urls: dict[tuple[str, str], str]) -> dict[tuple[str, str], str]:
    return dict(zip(urls, await asyncio.gather(*map(by, urls.values())), strict=True))


class TestOutcome:
    async def test_is_libpq_s_in_every_mode(self, shown, server, authorities):
        urls = cells(server, f"sslrootcert={authorities.trusted.ca_file}&sslcrl={authorities.revocations}")

        theirs, own = await asyncio.gather(outcomes(psql, urls), outcomes(ours, urls))

        assert own == theirs
        # the servers do make a difference: two clients that are always refused would agree, too
        seen = {"refused", "plain"} | ({"tls"} if shown in GOOD_CHAINS else set())
        assert set(theirs.values()) == seen

    async def test_is_libpq_s_without_a_root(self, shown, server):
        urls = cells(server, "")

        theirs, own = await asyncio.gather(outcomes(psql, urls), outcomes(ours, urls))

        assert own == theirs
