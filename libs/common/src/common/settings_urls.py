"""Addresses in settings: what is wrong with them is said at start, and shown without their secrets."""

import re
from collections.abc import Iterator
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from pydantic_settings import BaseSettings

from common.postgres.url import Surroundings, parse_url
from common.postgres.url_errors import DatabaseUrlError
from common.settings import DatabaseSettings, RedisSettings

HIDDEN = "***"
_HARMLESS = re.compile(
    r"ssl(mode|rootcert|cert|key|crl|crldir|negotiation)|ssl_(min|max)_protocol_version|host|port|user|db(name)?"
    r"|database|application_name|connect_timeout|target_session_attrs|protocol"
)
_SECRET = ("password", "sslpassword")
_PLACE = re.compile(r"[\w.-]+:\d{1,5}|\[[0-9a-fA-F:]+\]:\d{1,5}")


def redacted(url: str) -> str:
    """Who and where, never a password; a URL that cannot be read is not shown at all."""
    try:
        parts = urlsplit(url)
        user, _, place = parts.netloc.rpartition("@")
    except ValueError:
        return HIDDEN
    # an unencoded / ? or # of a password ends the place early: then its port is no number
    if not parts.scheme or "#" in url or "@" in parts.path + parts.query or not _is_place(parts.netloc):
        return HIDDEN
    name, colon, _ = user.partition(":")
    login = f"{name}:{HIDDEN}@" if colon else f"{name}@" if name else ""
    # what stands there as a name may be the end of a password that holds a `&`
    query = [
        (key, value) if _HARMLESS.fullmatch(key) else (key if key in _SECRET else HIDDEN, HIDDEN)
        for key, value in parse_qsl(parts.query, keep_blank_values=True)
    ]
    return parts._replace(netloc=login + place, query=urlencode(query, quote_via=quote, safe="/:*")).geturl()


def password_in(url: str) -> str | None:
    """None when there is none: a login may go by a certificate."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    found = parts.password if parts.password is not None else dict(parse_qsl(parts.query)).get("password")
    return None if found is None else unquote(found)


def faulty_urls(settings: BaseSettings, *, service: str | None) -> Iterator[str]:
    database: object = getattr(settings, "database", None)
    if isinstance(database, DatabaseSettings):
        yield from _faulty_database(database, service)
    redis: object = getattr(settings, "redis", None)
    if isinstance(redis, RedisSettings):
        yield from _faulty_redis(redis)
    jwks: object = getattr(getattr(settings, "token", None), "jwks_url", None)
    if isinstance(jwks, str) and not _begins(jwks, "https", "http"):
        yield "TOKEN_JWKS_URL is no address: write https://host:port/.well-known/jwks.json"
    bootstrap: object = getattr(getattr(settings, "kafka", None), "bootstrap", None)
    if isinstance(bootstrap, str) and not all(map(_PLACE.fullmatch, bootstrap.split(","))):
        yield "KAFKA_BOOTSTRAP is no list of places: write host:port, several with commas"


def _faulty_database(settings: DatabaseSettings, service: str | None) -> Iterator[str]:
    around = Surroundings(service, settings.certificates)
    for name, url in (("DATABASE_URL", settings.url), ("DATABASE_PROBE_URL", settings.probe_url)):
        if url is None:
            continue
        try:
            parse_url(url.get_secret_value(), around)
        except DatabaseUrlError as fault:
            yield f"{name} cannot be used: {fault}"


def _faulty_redis(settings: RedisSettings) -> Iterator[str]:
    url = settings.url.get_secret_value()
    if not _begins(url, "redis", "rediss", "unix"):
        yield "REDIS_URL is no address of Redis: write rediss://user:password@host:port/0"
    elif settings.ca_file is not None and not _begins(url, "rediss"):
        yield "REDIS_URL is without TLS, but REDIS_CA_FILE is set: write rediss://, or leave it out"
    elif settings.ca_file is not None and any(
        name.startswith("ssl_") for name, _ in parse_qsl(urlsplit(url).query, keep_blank_values=True)
    ):
        yield "REDIS_URL holds options of TLS, ignored beside REDIS_CA_FILE: leave one of both out"


def _begins(url: str, *schemes: str) -> bool:
    try:
        parts = urlsplit(url)
        # a password that is not encoded may end the place early: the next error would quote its beginning
        whole = "@" not in parts.path + parts.query and "#" not in url and parts.port != 0
        return whole and parts.scheme in schemes and bool(parts.hostname or parts.path)
    except ValueError:
        return False


def _is_place(netloc: str) -> bool:
    try:
        return urlsplit(f"//{netloc}").port != 0
    except ValueError:
        return False
