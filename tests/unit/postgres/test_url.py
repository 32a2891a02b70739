import ssl

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.postgres.tls import DatabaseUrlError
from common.postgres.url import (
    DROPPED,
    DROPPED_VALUES,
    MAPPED,
    REFUSED,
    fix_async_database_url,
    libpq_url,
    parse_url,
)


class TestUrl:
    @pytest.mark.parametrize(
        "url",
        [
            "postgres://ada:secret@db:6432/quartet",
            "postgresql://ada:secret@db:6432/quartet",
            "postgresql+asyncpg://ada:secret@db:6432/quartet",
            "postgresql+psycopg2://ada:secret@db:6432/quartet",
            "postgresql:///quartet?host=db&port=6432&user=ada&password=secret",
            "postgresql://ada:secret@db:6432?dbname=quartet",
        ],
    )
    def test_says_the_same_in_every_spelling(self, url):
        found = parse_url(url)

        assert (found.host, found.port, found.user) == ("db", 6432, "ada")
        assert (found.password, found.database) == ("secret", "quartet")

    def test_takes_what_is_percent_encoded(self):
        found = parse_url("postgresql://a%40b:p%2Fw%3F%23@db/one%20two")

        assert (found.user, found.password, found.database) == ("a@b", "p/w?#", "one two")

    def test_takes_an_address_of_ipv6(self):
        assert parse_url("postgresql://u@[::1]:5433/d").host == "::1"

    @pytest.mark.parametrize(
        "url", ["postgresql://u@%2Fvar%2Frun%2FPg/d", "postgresql://u@/d?host=/var/run/Pg"]
    )
    def test_takes_a_unix_socket_and_speaks_no_tls_there(self, url):
        found = parse_url(url)

        assert (found.host, found.ssl) == ("/var/run/Pg", None)

    def test_has_the_user_s_name_for_a_database_as_libpq_has(self):
        assert parse_url("postgresql://ada@db").database == "ada"

    def test_prefers_tls_when_nothing_is_said(self):
        assert parse_url("postgresql://u@db/d").ssl == "prefer"

    def test_sends_only_the_application_s_name_at_the_start(self):
        settings = parse_url("postgresql://u@db/d?application_name=x&connect_timeout=3").for_asyncpg()

        assert settings["server_settings"] == {"application_name": "x"}

    def test_becomes_arguments_of_create_async_engine(self):
        url, arguments = fix_async_database_url("postgres://ada:secret@db/quartet?sslmode=disable")

        assert url.render_as_string(hide_password=False) == "postgresql+asyncpg://ada:secret@db:5432/quartet"
        assert arguments == {"ssl": False, "direct_tls": False, "server_settings": {}}

    def test_stays_a_url_for_libpq(self):
        url = libpq_url("postgresql+asyncpg://ada:p%2Fw@db/d?ssl=require&statement_cache_size=0")

        assert url == "postgresql://ada:p%2Fw@db/d?sslmode=require"
        assert psycopg.conninfo.conninfo_to_dict(url)["password"] == "p/w"


class TestParameters:
    def test_of_libpq_are_all_decided_about(self):
        known = {option.keyword.decode() for option in psycopg.pq.Conninfo.get_defaults()}

        assert known - MAPPED - DROPPED.keys() - REFUSED.keys() == set()

    def test_with_a_harmless_value_are_refused_with_any_other(self):
        assert DROPPED_VALUES.keys() <= REFUSED.keys()

    @pytest.mark.parametrize("name", sorted(REFUSED))
    def test_that_cannot_be_honoured_say_what_to_change(self, name):
        with pytest.raises(DatabaseUrlError, match=f"{name} cannot be honoured: .{{10,}}"):
            parse_url(f"postgresql://u@db/d?{name}=require")

    @pytest.mark.parametrize("name", sorted(DROPPED))
    def test_that_do_not_matter_here_change_nothing(self, name):
        assert parse_url(f"postgresql://u@db/d?{name}=1") == parse_url("postgresql://u@db/d")

    @pytest.mark.parametrize(
        ("name", "value"), [(name, value) for name, values in DROPPED_VALUES.items() for value in values]
    )
    def test_that_ask_for_what_happens_anyway_change_nothing(self, name, value):
        assert parse_url(f"postgresql://u@db/d?{name}={value}") == parse_url("postgresql://u@db/d")

    def test_that_nobody_knows_are_refused(self):
        with pytest.raises(DatabaseUrlError, match="'colour' is unknown"):
            parse_url("postgresql://u@db/d?colour=blue")

    @pytest.mark.parametrize(
        "url",
        [
            "postgresql://u@one,two/d",
            "postgresql://u@one:1,two:2/d",
            "postgresql://u@/d?host=one,two",
            "postgresql://u@/d?host=one&host=two",
        ],
    )
    def test_that_name_several_hosts_are_refused(self, url):
        with pytest.raises(DatabaseUrlError, match="several hosts"):
            parse_url(url)

    @pytest.mark.parametrize(
        ("url", "says"),
        [
            ("mysql://u@db/d", "must begin with postgresql://"),
            ("postgresql://db/d", "names no user"),
            ("postgresql://u@db:many/d", "port is no number"),
            ("postgresql://u@db/d?sslmode=maybe", "is not one of disable, allow"),
            ("postgresql://u@db/d?sslmode=prefer&sslrootcert=/ca.crt", "say require or verify-full"),
            ("postgresql://u@db/d?sslmode=prefer&sslnegotiation=direct", "needs sslmode=require"),
            ("postgresql://u@db/d?sslmode=require&sslnegotiation=maybe", "neither postgres nor direct"),
        ],
    )
    def test_that_are_wrong_say_what_to_change(self, url, says):
        with pytest.raises(DatabaseUrlError, match=says):
            parse_url(url)

    def test_ask_for_direct_tls(self):
        found = parse_url("postgresql://u@db/d?sslmode=require&sslnegotiation=direct")

        assert found.direct_tls
        assert isinstance(found.ssl, ssl.SSLContext)


class TestPassword:
    def test_is_not_shown(self):
        assert "hunter2" not in repr(parse_url("postgresql://u:hunter2@db/d"))

    @given(text=st.text(st.characters(exclude_categories=("Cs",)), max_size=8), place=st.integers(0, 3))
    def test_is_in_no_error(self, text, place):
        secret = f"hunter2{text}"
        url = [
            f"postgresql://u:{secret}@db/d?sslmode=maybe",
            f"postgresql://u:{secret}@db:port/d",
            f"postgresql://u:{secret}@[db/d",
            f"postgresql://u:{secret}@one,two/d",
        ][place]

        with pytest.raises(DatabaseUrlError) as refused:
            parse_url(url)

        assert "hunter2" not in f"{refused.value!r} {refused.value.__cause__!r}"
