"""Any libpq or SQLAlchemy URL of PostgreSQL becomes arguments of asyncpg, or an error that helps."""

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit

import sqlalchemy as sa

from common.postgres.tls import SSL_MODES, DatabaseUrlError, TlsFiles, create_ssl_context

MAPPED: Final = frozenset(
    {
        *("host", "port", "user", "password", "dbname", "database", "application_name"),
        *("fallback_application_name", "sslmode", "ssl", "sslrootcert", "sslcert", "sslkey", "sslpassword"),
        *("sslcrl", "ssl_min_protocol_version", "ssl_max_protocol_version", "sslnegotiation"),
    }
)

_OUR_TIMEOUTS = "the time to connect is fixed in postgres/timeouts.py"
_NO_GSSAPI = "GSSAPI is not spoken: plain TLS is used, as a server without GSSAPI would get"
_KEEPALIVE = "a silent network is found by the time limits of postgres/timeouts.py"
_OUR_CACHES = "decided by DATABASE_POOLER and DATABASE_PREPARED_STATEMENTS"

DROPPED: Final[Mapping[str, str]] = {
    "connect_timeout": _OUR_TIMEOUTS,
    "timeout": _OUR_TIMEOUTS,
    "command_timeout": _OUR_TIMEOUTS,
    "keepalives": _KEEPALIVE,
    "keepalives_idle": _KEEPALIVE,
    "keepalives_interval": _KEEPALIVE,
    "keepalives_count": _KEEPALIVE,
    "tcp_user_timeout": _KEEPALIVE,
    "client_encoding": "asyncpg speaks UTF-8 and nothing else",
    "sslcompression": "TLS compression is unsafe, and off everywhere",
    "sslkeylogfile": "session keys are not written to files",
    "krbsrvname": _NO_GSSAPI,
    "gsslib": _NO_GSSAPI,
    "gssdelegation": _NO_GSSAPI,
    "statement_cache_size": _OUR_CACHES,
    "prepared_statement_cache_size": _OUR_CACHES,
    "prepared_statement_name_func": _OUR_CACHES,
    "async_fallback": "a setting of an older SQLAlchemy",
    "pgbouncer": "a hint for another library; say DATABASE_POOLER=transaction",
}

DROPPED_VALUES: Final[Mapping[str, tuple[str, ...]]] = {
    "channel_binding": ("disable", "prefer"),
    "gssencmode": ("disable", "prefer"),
    "target_session_attrs": ("any",),
    "load_balance_hosts": ("disable",),
    "sslsni": ("1",),
    "sslcertmode": ("allow",),
    "requiressl": ("0",),
    "min_protocol_version": ("3.0",),
    "max_protocol_version": ("3.0", "latest"),
    "replication": ("false", "off", "no", "0"),
}
"""Parameters whose harmless values say what happens anyway; any other value is refused."""

REFUSED: Final[Mapping[str, str]] = {
    "channel_binding": "asyncpg has no channel binding; remove it and use sslmode=verify-full",
    "gssencmode": "GSSAPI encryption is not supported; use sslmode",
    "target_session_attrs": "name the one host that takes writes",
    "load_balance_hosts": "name one host",
    "sslsni": "the server's name is always sent; remove it",
    "sslcertmode": "set sslcert and sslkey when the server wants a certificate, remove them otherwise",
    "requiressl": "use sslmode=require",
    "min_protocol_version": "only protocol 3.0 is spoken; remove it",
    "max_protocol_version": "only protocol 3.0 is spoken; remove it",
    "replication": "a replication connection cannot run a service's queries; remove it",
    "hostaddr": "put the address into the URL as its host",
    "options": "poolers refuse it; use ALTER ROLE … SET",
    "search_path": "it belongs to the role: ALTER ROLE … SET search_path",
    "passfile": "put the password into the URL",
    "service": "write out host, port and database",
    "servicefile": "write out host, port and database",
    "requirepeer": "use TLS to know the server",
    "require_auth": "the server's pg_hba.conf decides; remove it",
    "sslcrldir": "name one file in sslcrl",
    "scram_client_key": "put the password into the URL",
    "scram_server_key": "put the password into the URL",
    "oauth_issuer": "OAuth logins are not supported; use a password or a certificate",
    "oauth_client_id": "OAuth logins are not supported; use a password or a certificate",
    "oauth_client_secret": "OAuth logins are not supported; use a password or a certificate",
    "oauth_scope": "OAuth logins are not supported; use a password or a certificate",
}

_SCHEME = re.compile(r"postgres(?:ql)?(?:\+[a-z0-9_]+)?")


@dataclass(frozen=True)
class ConnectArguments:
    host: str
    port: int
    user: str
    database: str
    password: str | None = field(repr=False)
    ssl: ssl.SSLContext | Literal["allow", "prefer"] | None
    direct_tls: bool = False
    application_name: str | None = None

    def for_asyncpg(self) -> dict[str, Any]:
        """Only application_name is sent with the start of a connection: a pooler refuses anything else."""
        name = self.application_name
        return {
            "host": self.host,
            "port": self.port,
            "user": self.user,
            "password": self.password,
            "database": self.database,
            "ssl": self.ssl or False,
            "direct_tls": self.direct_tls,
            "server_settings": {"application_name": name} if name else {},
        }


def parse_url(url: str) -> ConnectArguments:
    parts, query = _split(url)
    host, port = _host_and_port(parts, query)
    user = _decoded(parts.username) or query.get("user")
    if not user:
        raise DatabaseUrlError("the database URL names no user: postgresql://USER:…@HOST/DATABASE")
    context = None if host.startswith("/") else _ssl(query)
    return ConnectArguments(
        host=host,
        port=port,
        user=user,
        password=_decoded(parts.password) or query.get("password"),
        database=unquote(parts.path[1:]) or query.get("dbname") or query.get("database") or user,
        ssl=context,
        direct_tls=_direct_tls(query, context),
        application_name=query.get("application_name") or query.get("fallback_application_name"),
    )


def fix_async_database_url(url: str) -> tuple[sa.URL, dict[str, Any]]:
    """What `create_async_engine(url, connect_args=…)` wants, made of any PostgreSQL URL."""
    arguments = parse_url(url)
    fixed = sa.URL.create(
        "postgresql+asyncpg",
        username=arguments.user,
        password=arguments.password,
        host=None if arguments.host.startswith("/") else arguments.host,
        port=arguments.port,
        database=arguments.database,
    )
    rest = arguments.for_asyncpg()
    return fixed, {name: rest[name] for name in ("ssl", "direct_tls", "server_settings")} | (
        {"host": arguments.host} if arguments.host.startswith("/") else {}
    )


def libpq_url(url: str) -> str:
    """The same URL for psycopg, which is libpq: without SQLAlchemy's driver and others' parameters."""
    parts, query = _split(url)
    known = {name: value for name, value in query.items() if name not in DROPPED or name == "connect_timeout"}
    if "ssl" in known:
        known["sslmode"] = known.pop("ssl")
    if "database" in known:
        known["dbname"] = known.pop("database")
    return parts._replace(scheme="postgresql", query=urlencode(known)).geturl()


def _split(url: str) -> tuple[SplitResult, dict[str, str]]:
    # what urlsplit says about a faulty URL may hold a part of the password: none of it is passed on
    try:
        parts = urlsplit(url)
    except ValueError:
        raise DatabaseUrlError("the database URL cannot be read: percent-encode its password") from None
    if not _SCHEME.fullmatch(parts.scheme):
        raise DatabaseUrlError("the database URL must begin with postgresql://")
    if "#" in url:
        raise DatabaseUrlError("the database URL holds a '#': write %23")
    query: dict[str, str] = {}
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if name in query:
            raise DatabaseUrlError(f"the database URL gives {name} twice: several hosts are not supported")
        _check_parameter(name, value)
        query[name] = value
    return parts, query


def _check_parameter(name: str, value: str) -> None:
    if name in MAPPED or name in DROPPED or value in DROPPED_VALUES.get(name, ()):
        return
    if name in REFUSED:
        raise DatabaseUrlError(f"the database URL's {name} cannot be honoured: {REFUSED[name]}")
    raise DatabaseUrlError(f"the database URL's parameter {name!r} is unknown: remove it")


def _decoded(text: str | None) -> str | None:
    return None if text is None else unquote(text)


def _host_and_port(parts: SplitResult, query: Mapping[str, str]) -> tuple[str, int]:
    place = parts.netloc.rpartition("@")[2]
    host = _decoded(parts.hostname) or query.get("host") or "localhost"
    if "," in place or "," in host or "," in query.get("port", ""):
        raise DatabaseUrlError("the database URL names several hosts: name the one that takes writes")
    if "%2F" in place.upper():
        # a socket's folder; urlsplit would have made it lower case
        host = unquote(place.partition(":")[0])
    try:
        port = parts.port or int(query.get("port") or 5432)
    except ValueError:
        raise DatabaseUrlError(
            "the database URL's port is no number, or its password holds one of / ? @: percent-encode it"
        ) from None
    return host, port


def _ssl(query: Mapping[str, str]) -> ssl.SSLContext | Literal["allow", "prefer"] | None:
    named = query.get("sslmode") or query.get("ssl") or "prefer"
    mode = {"true": "require", "false": "disable"}.get(named.lower(), named)
    if mode not in SSL_MODES:
        raise DatabaseUrlError(f"sslmode={named} is not one of {', '.join(SSL_MODES)}")
    wants_files = [name for name in ("sslrootcert", "sslcert", "sslkey", "sslcrl") if query.get(name)]
    if mode in ("allow", "prefer") and wants_files:
        raise DatabaseUrlError(f"{wants_files[0]} has no use with sslmode={mode}: say require or verify-full")
    return create_ssl_context(
        mode,
        TlsFiles.found(query),
        key_password=query.get("sslpassword"),
        minimum_version=query.get("ssl_min_protocol_version") or "TLSv1.2",
        maximum_version=query.get("ssl_max_protocol_version"),
    )


def _direct_tls(query: Mapping[str, str], context: object) -> bool:
    wanted = query.get("sslnegotiation", "postgres")
    if wanted not in ("postgres", "direct"):
        raise DatabaseUrlError(f"sslnegotiation={wanted} is neither postgres nor direct")
    if wanted == "direct" and not isinstance(context, ssl.SSLContext):
        raise DatabaseUrlError("sslnegotiation=direct needs sslmode=require or stronger")
    return wanted == "direct"
