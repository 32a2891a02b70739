"""libpq's TLS settings as Python understands them: the same modes, the same files, the same refusals."""

import ssl
from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final, Literal, get_args

from common.certificates import (
    CertificateFileError,
    check_authorities,
    check_certificate,
    check_key,
    check_revocation_list,
    load_pair,
)
from common.clock import Clock, utc_now
from common.postgres.tls_files import NO_FILES, TlsFiles
from common.postgres.url_errors import DatabaseUrlError

SslMode = Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]
SSL_MODES: Final[tuple[SslMode, ...]] = get_args(SslMode)

_VERSIONS: Final = {
    "tlsv1.2": ssl.TLSVersion.TLSv1_2,
    "tlsv1.3": ssl.TLSVersion.TLSv1_3,
}


def create_ssl_context(
    mode: SslMode,
    files: TlsFiles = NO_FILES,
    *,
    key_password: str | None = None,
    minimum_version: str = "TLSv1.2",
    maximum_version: str | None = None,
    clock: Clock = utc_now,
) -> ssl.SSLContext | None:
    """How a connection in one of libpq's modes speaks TLS; None when it never does.

    As libpq, every mode checks the server's certificate as soon as there is a root to check it with, and only
    `verify-full` its name. `allow` and `prefer` fall back to a connection without TLS: see `connecting`.
    """
    if mode == "disable":
        return None
    if files.root == "system" and mode != "verify-full":
        raise DatabaseUrlError("sslrootcert=system trusts every public authority: use sslmode=verify-full")
    if files.root is None and mode in ("verify-ca", "verify-full"):
        raise DatabaseUrlError(f"sslmode={mode} needs sslrootcert=<file> or sslrootcert=system")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = mode == "verify-full"
    context.verify_mode = ssl.CERT_REQUIRED if files.root else ssl.CERT_NONE
    # a server that is asked without SSLRequest (sslnegotiation=direct) insists on it
    context.set_alpn_protocols(["postgresql"])
    _limit_versions(context, minimum_version, maximum_version)
    now = clock()
    _load_root(context, files.root, now)
    _load_revoked(context, files, now)
    if files.certificate:
        _load_own(context, files.certificate, files.key, key_password, now)
    return context


def _limit_versions(context: ssl.SSLContext, minimum: str, maximum: str | None) -> None:
    context.minimum_version = _version(minimum)
    if maximum:
        context.maximum_version = _version(maximum)
        if context.maximum_version < context.minimum_version:
            raise DatabaseUrlError(
                f"ssl_max_protocol_version={maximum} is older than ssl_min_protocol_version={minimum}"
            )


def _version(name: str) -> ssl.TLSVersion:
    if name.lower() not in _VERSIONS:
        raise DatabaseUrlError("a TLS version is not one of TLSv1.2, TLSv1.3")
    return _VERSIONS[name.lower()]


def _load_root(context: ssl.SSLContext, root: str | None, now: datetime) -> None:
    if root == "system":
        context.set_default_verify_paths()
    elif root is not None:
        with _told_of("sslrootcert"):
            check_authorities(root, now)
            context.load_verify_locations(root)


def _load_revoked(context: ssl.SSLContext, files: TlsFiles, now: datetime) -> None:
    if files.revoked:
        with _told_of("sslcrl"):
            check_revocation_list(files.revoked, now)
    if files.revoked_folder and not Path(files.revoked_folder).is_dir():
        raise DatabaseUrlError(f"sslcrldir: {files.revoked_folder} is no folder: correct the path")
    if files.revoked or files.revoked_folder:
        context.load_verify_locations(files.revoked, files.revoked_folder)
        context.verify_flags |= ssl.VerifyFlags.VERIFY_CRL_CHECK_CHAIN


def _load_own(
    context: ssl.SSLContext, certificate: str, key: str | None, password: str | None, now: datetime
) -> None:
    if key is None:
        raise DatabaseUrlError(f"sslcert: {certificate} needs its key: name the file in sslkey")
    with _told_of("sslcert"):
        check_certificate(certificate, now)
    with _told_of("sslkey"):
        check_key(key)
        load_pair(context, certificate, key, password, password_setting="sslpassword")  # noqa: S106 - a name


@contextmanager
def _told_of(parameter: str) -> Generator[None]:
    try:
        yield
    except CertificateFileError as fault:
        raise DatabaseUrlError(f"{parameter}: {fault}") from None
