"""Any libpq or SQLAlchemy URL of PostgreSQL becomes arguments of asyncpg, or an error that helps."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from ssl import SSLContext
from typing import Any, Final
from urllib.parse import SplitResult, quote, unquote, urlencode, urlsplit

import asyncpg
import sqlalchemy as sa

from common.postgres.connecting import connect_either_way
from common.postgres.parameters import DROPPED, DROPPED_VALUES, MAPPED, REFUSED
from common.postgres.tls import SSL_MODES, SslMode, create_ssl_context
from common.postgres.tls_files import NO_FILES, TlsFiles, from_environment
from common.postgres.url_errors import DatabaseUrlError

_TLS_SETTINGS: Final = ("ssl_min_protocol_version", "ssl_max_protocol_version", "sslnegotiation")
_SCHEME: Final = re.compile(r"postgres(?:ql)?(?:\+[a-z0-9_]+)?")
_BARE_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_UNPRINTABLE: Final = re.compile(r"[\x00-\x20\x7f]")
_PLACE: Final = re.compile(r"(?P<host>\[[^]]*\]|[^]\[:]*)(:(?P<port>[^]\[:]*))?")


@dataclass(frozen=True)
class ConnectArguments:
    host: str
    port: int
    user: str
    database: str
    password: str | None = field(repr=False)
    mode: SslMode
    ssl: SSLContext | None = field(repr=False, compare=False)
    """None: no TLS, ever. `mode` says whether a connection without it is taken too."""
    tls_files: TlsFiles
    direct_tls: bool = False
    application_name: str | None = None

    def for_asyncpg(self) -> dict[str, Any]:
        """Only application_name is sent with the start of a connection: a pooler refuses anything else.

        And the encoding once more, spelled as servers do: for the driver's own `'utf-8'` PgBouncer would
        send a SET before every transaction.
        """
        named = {"application_name": self.application_name} if self.application_name else {}
        return {
            "host": self.host,
            "port": self.port,
            "user": self.user,
            "password": self.password,
            "database": self.database,
            "ssl": self.ssl or False,
            "direct_tls": self.direct_tls,
            "server_settings": {"client_encoding": "UTF8", **named},
        }

    async def connect(self, **options: Any) -> asyncpg.Connection:
        """One connection as the driver gives it; options are `asyncpg.connect`'s."""
        arguments = self.for_asyncpg() | options
        if self.mode == "allow" or self.mode == "prefer":  # noqa: PLR1714 - narrows the type
            return await connect_either_way(self.mode, **arguments)
        return await asyncpg.connect(**arguments)


@dataclass(frozen=True)
class Surroundings:
    """Where else the settings of TLS may come from; a URL's own come first."""

    service: str | None = None
    folder: Path | None = None
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)

    def files(self, query: Mapping[str, str]) -> TlsFiles:
        return TlsFiles.found(query, self.environment, folder=self.folder, service=self.service)

    def tls(self, query: Mapping[str, str], parameter: str) -> str | None:
        if parameter in query:
            return query[parameter]
        return from_environment(parameter, self.environment, self.service)

    def tls_settings(self, query: Mapping[str, str]) -> dict[str, str]:
        """Those that are no files, as far as something is said of them."""
        said = {parameter: self.tls(query, parameter) for parameter in _TLS_SETTINGS}
        return {parameter: value for parameter, value in said.items() if value}


def parse_url(url: str, around: Surroundings | None = None) -> ConnectArguments:
    around = around or Surroundings()
    parts, query = _split(url)
    host, port = _host_and_port(parts, query)
    user = query.get("user", _decoded(parts.username))
    if not user:
        raise DatabaseUrlError("the database URL names no user: postgresql://USER:…@HOST/DATABASE")
    by_socket = host.startswith("/")
    files = NO_FILES if by_socket else around.files(query)
    mode = "disable" if by_socket else _mode(query, files, around)
    return ConnectArguments(
        host=host,
        port=port,
        user=user,
        password=query.get("password", _decoded(parts.password)) or None,
        database=query.get("dbname", query.get("database", _decoded(parts.path[1:]))) or user,
        mode=mode,
        ssl=create_ssl_context(
            mode,
            files,
            key_password=query.get("sslpassword"),
            minimum_version=around.tls(query, "ssl_min_protocol_version") or "TLSv1.2",
            maximum_version=around.tls(query, "ssl_max_protocol_version"),
        ),
        tls_files=files,
        direct_tls=_direct_tls(query, mode, around),
        application_name=query.get("application_name") or query.get("fallback_application_name"),
    )


def fix_async_database_url(url: str, around: Surroundings | None = None) -> tuple[sa.URL, dict[str, Any]]:
    """What `create_async_engine(url, connect_args=…)` wants, made of any PostgreSQL URL."""
    arguments = parse_url(url, around)
    by_socket = arguments.host.startswith("/")
    fixed = sa.URL.create(
        "postgresql+asyncpg",
        username=arguments.user,
        password=arguments.password,
        host=None if by_socket else arguments.host,
        port=arguments.port,
        database=arguments.database,
    )
    rest = arguments.for_asyncpg()
    connect_args = {name: rest[name] for name in ("ssl", "direct_tls", "server_settings")}
    if by_socket:
        connect_args["host"] = arguments.host
    if arguments.mode in ("allow", "prefer"):
        connect_args["async_creator_fn"] = partial(connect_either_way, arguments.mode)
    return fixed, connect_args


def libpq_url(url: str, around: Surroundings | None = None) -> str:
    """The same URL for psycopg, which is libpq: its parameters only, and the files that were found."""
    around = around or Surroundings()
    arguments = parse_url(url, around)
    parts, query = _split(url)
    known = {name: value for name, value in query.items() if name not in DROPPED or name == "connect_timeout"}
    known.pop("ssl", None)
    if "database" in known:
        known["dbname"] = known.pop("database")
    if not arguments.host.startswith("/"):
        known |= around.tls_settings(query) | {"sslmode": arguments.mode} | arguments.tls_files.named()
    # not geturl(), which leaves out the slashes before an empty place
    return f"postgresql://{parts.netloc}{parts.path}?{urlencode(known, quote_via=quote)}"


def _split(url: str) -> tuple[SplitResult, dict[str, str]]:
    # a secret that is read from a file often ends its line
    url = url.strip()
    if _UNPRINTABLE.search(url):
        raise DatabaseUrlError("the database URL holds a space or a control character: percent-encode it")
    # what urlsplit says about a faulty URL may hold a part of the password: none of it is passed on
    try:
        parts = urlsplit(url)
    except ValueError:
        raise DatabaseUrlError("the database URL cannot be read: percent-encode its password") from None
    if not _SCHEME.fullmatch(parts.scheme):
        raise DatabaseUrlError("the database URL must begin with postgresql://")
    if "#" in url:
        raise DatabaseUrlError("the database URL holds a '#': write %23")
    if _BARE_PERCENT.search(url):
        raise DatabaseUrlError("the database URL holds a '%' that encodes nothing: write %25")
    if "@" in parts.path + parts.query or parts.netloc.count("@") > 1:
        # most often the rest of a password that holds a '/', a '?' or a '@'
        raise DatabaseUrlError("the database URL holds more than one '@': percent-encode its password")
    query: dict[str, str] = {}
    for pair in filter(None, parts.query.split("&")):
        # not parse_qsl: it makes '+' a space, and to libpq it is a plus
        name, value = (_decoded(part) or "" for part in pair.partition("=")[::2])
        if name in query:
            raise DatabaseUrlError(f"the database URL gives {name} twice: several hosts are not supported")
        _check_parameter(name, value, shown="password" not in parts.query)
        query[name] = value
    if "ssl" in query and "sslmode" in query:
        raise DatabaseUrlError("the database URL says both ssl and sslmode: remove ssl")
    return parts, query


def _check_parameter(name: str, value: str, *, shown: bool) -> None:
    """An unknown name beside a password may be the rest of it, after a `&`."""
    if name in MAPPED or name in DROPPED or value in DROPPED_VALUES.get(name, ()):
        return
    if name in REFUSED:
        raise DatabaseUrlError(f"the database URL's {name} cannot be honoured: {REFUSED[name]}")
    told = f" {name!r}" if shown else ""
    raise DatabaseUrlError(f"the database URL's parameter{told} is unknown: remove it")


def _decoded(text: str | None) -> str | None:
    try:
        decoded = None if text is None else unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise DatabaseUrlError("the database URL encodes what is no UTF-8: encode it anew") from None
    if decoded and "\0" in decoded:
        raise DatabaseUrlError("the database URL holds %00, which PostgreSQL takes nowhere: remove it")
    return decoded


def _host_and_port(parts: SplitResult, query: Mapping[str, str]) -> tuple[str, int]:
    place = parts.netloc.rpartition("@")[2]
    if any("," in text for text in (unquote(place), query.get("host", ""), query.get("port", ""))):
        raise DatabaseUrlError("the database URL names several hosts: name the one that takes writes")
    found = _PLACE.fullmatch(place)
    if found is None:
        raise DatabaseUrlError("the database URL's host cannot be read: write host:port, or [address]:port")
    # as libpq, which takes what a parameter says for the last word
    host = query.get("host", _decoded(found["host"].strip("[]")))
    return host or "localhost", _port(query.get("port", found["port"]) or "5432")


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65_536):
        raise DatabaseUrlError(
            "the database URL's port is no number from 1 to 65535, or its password holds one of / ? @: "
            "percent-encode it"
        )
    return int(text)


def _mode(query: Mapping[str, str], files: TlsFiles, around: Surroundings) -> SslMode:
    # as libpq: who trusts every public authority must at least look at the name
    by_default = "verify-full" if files.root == "system" else "prefer"
    named = query.get("ssl", around.tls(query, "sslmode"))
    named = by_default if named is None else named
    meant = {"true": "require", "false": "disable"}.get(named.lower(), named)
    for mode in SSL_MODES:
        if mode == meant:
            return mode
    raise DatabaseUrlError(f"sslmode is not one of {', '.join(SSL_MODES)}")


def _direct_tls(query: Mapping[str, str], mode: SslMode, around: Surroundings) -> bool:
    wanted = around.tls(query, "sslnegotiation") or "postgres"
    if wanted not in ("postgres", "direct"):
        raise DatabaseUrlError("sslnegotiation is neither postgres nor direct")
    if wanted == "direct" and mode in ("disable", "allow", "prefer"):
        raise DatabaseUrlError("sslnegotiation=direct needs sslmode=require or stronger")
    return wanted == "direct"
