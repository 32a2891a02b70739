"""Certificates and keys in files: a fault is told by the file's name, before a handshake would fail of it."""

import re
import ssl
import stat
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import structlog
from cryptography import x509
from prometheus_client import Gauge

WARNED_BEFORE: Final = timedelta(days=14)

_PATH: Final = re.compile(r"[./~][\w./ -]{0,500}")

_log = structlog.get_logger("certificates")
_ENDS_AT = Gauge(
    "quartet_certificate_ends_timestamp_seconds",
    "When the certificate ends that this process has read from a file.",
    ["setting", "file"],
)


class CertificateFileError(ValueError):
    """Names the file, what is wrong with it and what to do."""


def shown(file: str | Path) -> str:
    """A path, unless it may be the secret itself, which is at times put where its file belongs."""
    return str(file) if _PATH.fullmatch(str(file)) else "what is not shown, as it is no whole path,"


def check_certificate(file: str | Path, now: datetime) -> datetime:
    """When the first of its certificates ends; one that has ended, or not begun, is refused."""
    certificates = _read(file)
    if now < (begins := max(one.not_valid_before_utc for one in certificates)):
        raise CertificateFileError(f"{file} is valid from {begins:%Y-%m-%d %H:%M} on: look at the clock")
    return _not_over(file, min(one.not_valid_after_utc for one in certificates), now)


def check_authorities(file: str | Path, now: datetime) -> datetime:
    """When the last of its authorities ends: a file holds the old one and the new one during a change."""
    return _not_over(file, max(one.not_valid_after_utc for one in _read(file)), now)


def check_revocation_list(file: str | Path, now: datetime) -> datetime | None:
    """When the next one is due; an overdue one lets nobody in."""
    content = _bytes(file)
    try:
        due = x509.load_pem_x509_crl(content).next_update_utc
    except ValueError:
        raise CertificateFileError(f"{file} holds no revocation list in PEM form: correct the path") from None
    if due is not None and due <= now:
        raise CertificateFileError(f"{file} was to be renewed on {due:%Y-%m-%d}: fetch the new list")
    return due


def check_key(file: str | Path) -> None:
    """Refused, as libpq does, when others may read it."""
    _bytes(file)
    status = Path(file).stat()
    allowed = 0o640 if status.st_uid == 0 else 0o600
    if stat.S_IMODE(status.st_mode) & 0o077 & ~allowed:
        raise CertificateFileError(f"others may read {file}: chmod {allowed:o} it")


def load_pair(
    context: ssl.SSLContext,
    certificate: str | Path,
    key: str | Path,
    password: str | None,
    *,
    password_setting: str,
) -> None:
    """Into the context, when the key is the certificate's own."""
    try:
        context.load_cert_chain(certificate, key, (lambda: password) if password else _no_password)
    except ssl.SSLError as error:
        if "mismatch" in str(error).lower():
            fault = f"{key} is not the key of {certificate}: name the two that were made together"
        elif "too small" in str(error).lower() or "too weak" in str(error).lower():
            fault = f"{certificate} is too weak for TLS: make it anew, with a key of 2048 bits and SHA-256"
        elif password:
            fault = f"{key} does not open with {password_setting}, or holds no key: correct either"
        else:
            fault = f"{key} is no key in PEM form: correct the path"
        raise CertificateFileError(fault) from None
    except _EncryptedKeyError:
        raise CertificateFileError(f"{key} is encrypted: set {password_setting}") from None


def watch_files(files: Mapping[str, Path], now: datetime) -> None:
    """By the settings that name them: a metric for each, a warning when its end is near."""
    for setting, file in files.items():
        check = _check_of(setting)
        if check is None:
            continue
        try:
            ends_at = check(file, now)
        except CertificateFileError as fault:
            _log.error("certificates.unusable", setting=setting, fault=str(fault))
            continue
        if ends_at is not None:
            _ENDS_AT.labels(setting, str(file)).set(ends_at.timestamp())
            if ends_at - now < WARNED_BEFORE:
                days_left = (ends_at - now).days
                _log.warning("certificates.end_soon", setting=setting, file=str(file), days_left=days_left)


def _check_of(setting: str) -> Callable[[Path, datetime], datetime | None] | None:
    checks: dict[str, Callable[[Path, datetime], datetime | None]] = {
        "_ca_file": check_authorities,
        "sslrootcert": check_authorities,
        "_certificate_file": check_certificate,
        "sslcert": check_certificate,
        "sslcrl": check_revocation_list,
    }
    return next((check for end, check in checks.items() if setting.lower().endswith(end)), None)


class _EncryptedKeyError(Exception):
    pass


def _no_password() -> str:
    # without this OpenSSL asks on the terminal
    raise _EncryptedKeyError


def _read(file: str | Path) -> list[x509.Certificate]:
    content = _bytes(file)
    try:
        return x509.load_pem_x509_certificates(content)
    except ValueError:
        raise CertificateFileError(f"{file} holds no certificate in PEM form: correct the path") from None


def _bytes(file: str | Path) -> bytes:
    try:
        return Path(file).read_bytes()
    except FileNotFoundError:
        raise CertificateFileError(f"{shown(file)} does not exist: make it or correct the path") from None
    except OSError as error:
        fault = f"{shown(file)} cannot be read ({error.strerror}): correct its rights"
        raise CertificateFileError(fault) from None


def _not_over(file: str | Path, ends_at: datetime, now: datetime) -> datetime:
    if ends_at <= now:
        raise CertificateFileError(f"{file} ended on {ends_at.astimezone(UTC):%Y-%m-%d}: renew it")
    return ends_at
