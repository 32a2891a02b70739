"""What becomes of each parameter of a database URL: mapped, dropped with a reason, or refused."""

from collections.abc import Mapping
from typing import Final

MAPPED: Final = frozenset(
    {
        *("host", "port", "user", "password", "dbname", "database", "application_name"),
        *("fallback_application_name", "sslmode", "ssl", "sslrootcert", "sslcert", "sslkey", "sslpassword"),
        *("sslcrl", "sslcrldir", "ssl_min_protocol_version", "ssl_max_protocol_version", "sslnegotiation"),
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

_NO_OAUTH = "OAuth logins are not supported; use a password or a certificate"
_NO_VERIFIERS = "put the password into the URL"
_NO_SERVICE_FILE = "write out host, port and database"

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
    "service": _NO_SERVICE_FILE,
    "servicefile": _NO_SERVICE_FILE,
    "requirepeer": "use TLS to know the server",
    "require_auth": "the server's pg_hba.conf decides; remove it",
    "scram_client_key": _NO_VERIFIERS,
    "scram_server_key": _NO_VERIFIERS,
    "oauth_issuer": _NO_OAUTH,
    "oauth_client_id": _NO_OAUTH,
    "oauth_client_secret": _NO_OAUTH,
    "oauth_scope": _NO_OAUTH,
}
