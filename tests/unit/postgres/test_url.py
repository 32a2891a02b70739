import ssl
import traceback
from urllib.parse import quote, urlencode

import psycopg
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from common.postgres.url import Surroundings, fix_async_database_url, libpq_url, parse_url
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

    @given(
        place=st.sampled_from(["", "ada@", "ada:secret@", "ada:@"]),
        host=st.sampled_from(["", "db", "DB", "[::1]", "%2Ftmp"]),
        port=st.sampled_from(["", ":", ":6432", ":05432"]),
        path=st.sampled_from(["", "/", "/quartet", "/one/two"]),
        said=st.dictionaries(
            st.sampled_from(["host", "port", "password", "dbname"]), st.sampled_from(["", "7"])
        ),
    )
    def test_is_read_as_libpq_reads_what_it_says_twice_or_not_at_all(self, place, host, port, path, said):
        url = f"postgresql://{place}{host}{port}{path}?{urlencode({**said, 'user': 'eve'})}"

        found, theirs = parse_url(url), psycopg.conninfo.conninfo_to_dict(url)

        assert found.user == theirs["user"]
        assert (found.password or "", found.host) == (
            theirs.get("password", ""),
            theirs.get("host") or "localhost",
        )
        assert (found.database, found.port) == (
            theirs.get("dbname") or found.user,
            int(theirs.get("port") or 5432),
        )
        assert psycopg.conninfo.conninfo_to_dict(libpq_url(url)).items() >= theirs.items()

    def test_may_end_its_line(self):
        assert parse_url("postgresql://u@db/d?sslmode=disable\n").mode == "disable"

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

    def test_sends_only_the_application_s_name_and_the_encoding_at_the_start(self):
        settings = parse_url("postgresql://u@db/d?application_name=x&connect_timeout=3").for_asyncpg()

        assert settings["server_settings"] == {"client_encoding": "UTF8", "application_name": "x"}

    def test_becomes_arguments_of_create_async_engine(self):
        url, arguments = fix_async_database_url("postgres://ada:secret@db/quartet?sslmode=disable")

        assert url.render_as_string(hide_password=False) == "postgresql+asyncpg://ada:secret@db:5432/quartet"
        assert arguments == {
            "ssl": False,
            "direct_tls": False,
            "server_settings": {"client_encoding": "UTF8"},
        }

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

    def test_for_libpq_says_what_the_service_s_own_variables_say(self, monkeypatch):
        monkeypatch.setenv("AUTH_PGSSLMINPROTOCOLVERSION", "TLSv1.3")

        found = psycopg.conninfo.conninfo_to_dict(libpq_url("postgresql://u@db/d", Surroundings("auth")))

        assert found["ssl_min_protocol_version"] == "TLSv1.3"


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
            ("postgresql://u@db:0/d", "port is no number from 1 to 65535"),
            ("postgresql://u@db/d?port=65536", "port is no number from 1 to 65535"),
            ("postgresql://u@db/d?port=1_0", "port is no number from 1 to 65535"),
            ("postgresql://u@[::1]db/d", "host cannot be read: write host:port"),
            ("postgresql://u@::1/d", "host cannot be read: write host:port"),
            ("postgresql://u:a@b@db/d", "more than one '@': percent-encode its password"),
            ("postgresql://u:a\tb@db/d", "a space or a control character: percent-encode it"),
            ("postgresql://u%00user%00postgres@db/d", "holds %00"),
            ("postgresql://u@db/d?application_name=x%00", "holds %00"),
            ("postgresql://u@db/d?sslmode=maybe", "is not one of disable, allow"),
            ("postgresql://u@db/d?sslmode=", "sslmode is not one of disable, allow"),
            ("postgresql://u@db/d?sslmode=verify-full&ssl=false", "both ssl and sslmode: remove ssl"),
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
                "postgresql://u:{}\u2100@db/d",
                "postgresql://u:{}@one,two/d",
                "postgresql://db/d?user=u&password={}&colour=blue",
            ]
        ),
    )
    @example(before="a&", after="", form="postgresql://db/d?user=u&password={}&colour=blue")
    def test_is_in_no_error(self, before, after, form):
        with pytest.raises(DatabaseUrlError) as refused:
            parse_url(form.format(f"{before}hunter2{after}"))

        assert "hunter2" not in "".join(traceback.format_exception(refused.value, limit=-1))
