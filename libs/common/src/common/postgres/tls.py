"""libpq's TLS settings as Python understands them: the same modes, the same files, the same refusals."""

import os
import ssl
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, get_args

SslMode = Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]
SSL_MODES: Final[tuple[SslMode, ...]] = get_args(SslMode)

_VERSIONS: Final = {
    "TLSv1.2": ssl.TLSVersion.TLSv1_2,
    "TLSv1.3": ssl.TLSVersion.TLSv1_3,
}


class DatabaseUrlError(ValueError):
    """A database URL, or a file that it names, cannot be used: what to change, and never a password."""


@dataclass(frozen=True)
class TlsFiles:
    root: str | None = None
    """A file, or `system` for the authorities that this machine trusts."""
    certificate: str | None = None
    key: str | None = None
    revoked: str | None = None

    @staticmethod
    def found(named: Mapping[str, str], environment: Mapping[str, str] = os.environ) -> "TlsFiles":
        """The URL's own come first, then libpq's environment variables, then its files in the home folder."""

        def find(parameter: str, variable: str, default: str) -> str | None:
            home_file = Path(environment.get("HOME", "/nonexistent"), ".postgresql", default)
            by_default = str(home_file) if home_file.is_file() else None
            return named.get(parameter) or environment.get(variable) or by_default

        return TlsFiles(
            root=find("sslrootcert", "PGSSLROOTCERT", "root.crt"),
            certificate=find("sslcert", "PGSSLCERT", "postgresql.crt"),
            key=find("sslkey", "PGSSLKEY", "postgresql.key"),
            revoked=find("sslcrl", "PGSSLCRL", "root.crl"),
        )


def create_ssl_context(
    mode: SslMode,
    files: TlsFiles = TlsFiles(),
    *,
    key_password: str | None = None,
    minimum_version: str = "TLSv1.2",
    maximum_version: str | None = None,
) -> ssl.SSLContext | Literal["allow", "prefer"] | None:
    """A connection's `ssl` in one of libpq's modes: none, a mode that may fall back by name, or a context.

    `require` checks the server's certificate as soon as there is a root to check it with, as libpq does.
    """
    if mode == "disable":
        return None
    if mode in ("allow", "prefer"):
        return mode
    if files.root == "system" and mode != "verify-full":
        raise DatabaseUrlError("sslrootcert=system trusts every public authority: use sslmode=verify-full")
    if files.root is None and mode in ("verify-ca", "verify-full"):
        raise DatabaseUrlError(f"sslmode={mode} needs sslrootcert=<file> or sslrootcert=system")
    context = (
        ssl.create_default_context() if files.root == "system" else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    )
    context.check_hostname = mode == "verify-full"
    context.verify_mode = ssl.CERT_REQUIRED if files.root else ssl.CERT_NONE
    context.minimum_version = _version(minimum_version)
    if maximum_version is not None:
        context.maximum_version = _version(maximum_version)
    if files.root not in (None, "system"):
        _load(context, files.root, "sslrootcert")
    if files.revoked:
        _load(context, files.revoked, "sslcrl")
        context.verify_flags |= ssl.VerifyFlags.VERIFY_CRL_CHECK_CHAIN
    if files.certificate:
        _load_own(context, files.certificate, files.key, key_password)
    return context


def _version(name: str) -> ssl.TLSVersion:
    if name not in _VERSIONS:
        raise DatabaseUrlError(f"TLS version {name!r} is not one of {', '.join(_VERSIONS)}")
    return _VERSIONS[name]


def _load(context: ssl.SSLContext, file: str, parameter: str) -> None:
    try:
        context.load_verify_locations(file)
    except (OSError, ssl.SSLError) as error:
        raise DatabaseUrlError(f"{parameter}: {file} cannot be used: {_reason(error)}") from error


def _load_own(context: ssl.SSLContext, certificate: str, key: str | None, password: str | None) -> None:
    if key is None:
        raise DatabaseUrlError("sslcert needs its key: name the file in sslkey")
    _check_key_is_private(key)
    try:
        context.load_cert_chain(certificate, key, (lambda: password) if password else _no_password)
    except (OSError, ssl.SSLError, ValueError) as error:
        raise DatabaseUrlError(f"sslcert {certificate} with sslkey {key}: {_reason(error)}") from error


def _no_password() -> str:
    # without this OpenSSL asks on the terminal
    raise ValueError("the key is encrypted: set sslpassword")


def _check_key_is_private(key: str) -> None:
    try:
        status = Path(key).stat()
    except OSError as error:
        raise DatabaseUrlError(f"sslkey: {key} cannot be read: {_reason(error)}") from error
    allowed = 0o640 if status.st_uid == 0 else 0o600
    if stat.S_IMODE(status.st_mode) & ~allowed & 0o077:
        raise DatabaseUrlError(f"sslkey: others may read {key}: chmod {allowed:o} it")


def _reason(error: Exception) -> str:
    return error.strerror or type(error).__name__ if isinstance(error, OSError) else str(error)
