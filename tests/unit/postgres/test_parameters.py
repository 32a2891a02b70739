import ctypes
import ctypes.util

import psycopg
import pytest

from common.postgres.parameters import DROPPED, DROPPED_VALUES, MAPPED, REFUSED
from common.postgres.url import parse_url
from common.postgres.url_errors import DatabaseUrlError

BARE = "postgresql://u@db/d?sslmode=disable"

LIBPQ = {
    **dict.fromkeys(("host", "port", "user", "password", "dbname"), "mapped"),
    **dict.fromkeys(("application_name", "fallback_application_name"), "mapped"),
    **dict.fromkeys(("sslmode", "sslnegotiation", "sslcert", "sslkey", "sslpassword"), "mapped"),
    **dict.fromkeys(("sslrootcert", "sslcrl", "sslcrldir"), "mapped"),
    **dict.fromkeys(("ssl_min_protocol_version", "ssl_max_protocol_version"), "mapped"),
    **dict.fromkeys(("connect_timeout", "keepalives", "keepalives_idle", "keepalives_interval"), "dropped"),
    **dict.fromkeys(("keepalives_count", "tcp_user_timeout", "client_encoding"), "dropped"),
    **dict.fromkeys(("sslcompression", "sslkeylogfile", "krbsrvname", "gsslib", "gssdelegation"), "dropped"),
    **dict.fromkeys(("channel_binding", "gssencmode", "target_session_attrs"), "refused unless harmless"),
    **dict.fromkeys(("load_balance_hosts", "sslsni", "sslcertmode"), "refused unless harmless"),
    **dict.fromkeys(("min_protocol_version", "max_protocol_version"), "refused unless harmless"),
    "replication": "refused unless harmless",
    **dict.fromkeys(("hostaddr", "options", "passfile", "service", "servicefile"), "refused"),
    **dict.fromkeys(("requirepeer", "require_auth", "scram_client_key", "scram_server_key"), "refused"),
    **dict.fromkeys(("oauth_issuer", "oauth_client_id", "oauth_client_secret", "oauth_scope"), "refused"),
}
"""Every parameter of libpq 15 to 18 that a user may write, and what becomes of it."""


class Option(ctypes.Structure):
    """The beginning of PQconninfoOption."""

    _fields_ = (
        *((name, ctypes.c_char_p) for name in ("keyword", "envvar", "compiled", "val", "label", "dispchar")),
        ("dispsize", ctypes.c_int),
    )


def of_this_machine() -> set[str]:
    """What the libpq of this machine's psql knows; `D` marks what is not for users."""
    libpq = ctypes.CDLL(ctypes.util.find_library("pq"))
    libpq.PQconndefaults.restype = ctypes.POINTER(Option)
    options = libpq.PQconndefaults()
    known: set[str] = set()
    while options[len(known)].keyword:
        known.add(options[len(known)].keyword.decode())
    return known


def of_the_driver() -> set[str]:
    return {option.keyword.decode() for option in psycopg.pq.Conninfo.get_defaults()}


def decided(name: str) -> str:
    if name in MAPPED or name in DROPPED:
        return "mapped" if name in MAPPED else "dropped"
    return "refused unless harmless" if name in DROPPED_VALUES else "refused"


class TestLibpqParameter:
    @pytest.mark.parametrize(("name", "fate"), LIBPQ.items(), ids=LIBPQ)
    def test_has_one_fate(self, name, fate):
        assert decided(name) == fate
        assert (name in MAPPED) + (name in DROPPED) + (name in REFUSED) == 1

    @pytest.mark.parametrize("known", [of_this_machine, of_the_driver])
    def test_of_an_installed_libpq_is_none_that_nobody_thought_of(self, known):
        assert known() - LIBPQ.keys() == set()


class TestParameter:
    def test_with_a_harmless_value_is_refused_with_any_other(self):
        assert DROPPED_VALUES.keys() <= REFUSED.keys()

    @pytest.mark.parametrize("name", sorted(REFUSED))
    def test_that_cannot_be_honoured_says_what_to_change_and_not_its_value(self, name):
        with pytest.raises(DatabaseUrlError, match=f"{name} cannot be honoured: .{{10,}}") as refused:
            parse_url(f"{BARE}&{name}=hunter2")

        assert "hunter2" not in str(refused.value)

    @pytest.mark.parametrize("name", sorted(DROPPED))
    def test_that_does_not_matter_here_changes_nothing(self, name):
        assert parse_url(f"{BARE}&{name}=1") == parse_url(BARE)

    @pytest.mark.parametrize("name", sorted(DROPPED))
    def test_that_is_dropped_has_its_reason(self, name):
        assert len(DROPPED[name]) > 20

    @pytest.mark.parametrize(
        ("name", "value"), [(name, value) for name, values in DROPPED_VALUES.items() for value in values]
    )
    def test_that_asks_for_what_happens_anyway_changes_nothing(self, name, value):
        assert parse_url(f"{BARE}&{name}={value}") == parse_url(BARE)

    def test_that_nobody_knows_is_refused(self):
        with pytest.raises(DatabaseUrlError, match="'colour' is unknown: remove it") as refused:
            parse_url(f"{BARE}&colour=hunter2")

        assert "hunter2" not in str(refused.value)
