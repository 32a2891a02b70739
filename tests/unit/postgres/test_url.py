import ssl
from urllib.parse import quote

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.postgres.url import fix_async_database_url, libpq_url, parse_url
from common.postgres.url_errors import DatabaseUrlError
from tests.support.authority import Authority

ASCII = st.text(st.characters(codec="ascii", categories=("L", "N", "P", "S")), max_size=6)
TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1, max_size=8)


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

    @given(user=TEXT, password=TEXT, database=TEXT, name=TEXT)
    def test_means_what_libpq_reads_in_it(self, user, password, database, name):
        user, password, database, name = (quote(part, safe="+") for part in (user, password, database, name))
        url = f"postgresql://{user}:{password}@db:6432/{database}?sslmode=disable&application_name={name}"

        found, theirs = parse_url(url), psycopg.conninfo.conninfo_to_dict(url)

        assert [found.user, found.password, found.database, found.host, found.application_name] == [
            theirs[part] for part in ("user", "password", "dbname", "host", "application_name")
        ]
        assert found.port == int(theirs["port"])
        assert psycopg.conninfo.conninfo_to_dict(libpq_url(url)) == theirs

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
        assert parse_url("postgresql://u@db/d").mode == "prefer"

    def test_that_trusts_every_authority_looks_at_the_name_when_nothing_is_said(self):
        assert parse_url("postgresql://u@db/d?sslrootcert=system").mode == "verify-full"

    def test_sends_only_the_application_s_name_at_the_start(self):
        settings = parse_url("postgresql://u@db/d?application_name=x&connect_timeout=3").for_asyncpg()

        assert settings["server_settings"] == {"application_name": "x"}

    def test_becomes_arguments_of_create_async_engine(self):
        url, arguments = fix_async_database_url("postgres://ada:secret@db/quartet?sslmode=disable")

        assert url.render_as_string(hide_password=False) == "postgresql+asyncpg://ada:secret@db:5432/quartet"
        assert arguments == {"ssl": False, "direct_tls": False, "server_settings": {}}

    @pytest.mark.parametrize("mode", ["allow", "prefer"])
    def test_brings_its_own_way_to_connect_where_tls_is_not_certain(self, mode):
        _, arguments = fix_async_database_url(f"postgres://ada:secret@db/quartet?sslmode={mode}")

        assert arguments["async_creator_fn"].args == (mode,)
        assert isinstance(arguments["ssl"], ssl.SSLContext)

    def test_for_libpq_names_the_files_that_were_found(self, tmp_path, monkeypatch):
        ca_file = str(Authority(tmp_path).ca_file)
        monkeypatch.setenv("PGSSLROOTCERT", ca_file)

        found = psycopg.conninfo.conninfo_to_dict(libpq_url("postgresql://u@db/d?sslmode=verify-ca"))

        assert found["sslrootcert"] == ca_file

    def test_stays_a_url_for_libpq(self):
        url = libpq_url("postgresql+asyncpg://ada:p%2Fw@db/d?ssl=require&statement_cache_size=0")

        assert url == "postgresql://ada:p%2Fw@db/d?sslmode=require"
        assert psycopg.conninfo.conninfo_to_dict(url)["password"] == "p/w"


class TestParameters:
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
            ("postgresql://u:100%@db/d", "'%' that encodes nothing: write %25"),
            ("postgresql://u:%ff@db/d", "no UTF-8"),
            ("postgresql://u:a#b@db/d", "write %23"),
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

    @given(
        before=ASCII,
        after=ASCII,
        form=st.sampled_from(
            [
                "postgresql://u:{}@db/d?sslmode=maybe",
                "postgresql://u:{}@db:port/d",
                "postgresql://u:{}@db/d?colour=blue",
                "postgresql://u:{}@[db/d",
                "postgresql://u:{}@one,two/d",
                "postgresql://db/d?user=u&password={}&colour=blue",
            ]
        ),
    )
    def test_is_in_no_error(self, before, after, form):
        with pytest.raises(DatabaseUrlError) as refused:
            parse_url(form.format(f"{before}hunter2{after}"))

        assert "hunter2" not in f"{refused.value!r} {refused.value.__cause__!r}"
