"""Where the files of TLS are looked for. Each file comes from the first place that has it:

1. the URL (`sslrootcert`, `sslcert`, `sslkey`, `sslcrl`, `sslcrldir`);
2. the environment, by libpq's names: the service's own (`AUTH_PGSSLROOTCERT`), then `PGSSLROOTCERT`;
3. the folder of DATABASE_CERTIFICATES, by the names of FOLDER_NAMES in their order; first with the service's
   name and a dash before them (`auth-ca.crt`), then alone;
4. libpq's own folder, `~/.postgresql`.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from common.certificates import shown
from common.postgres.url_errors import DatabaseUrlError

FOLDER_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "sslrootcert": ("PGSSLROOTCERT", "ca.crt", "root.crt", "ca-cert.pem"),
    "sslcert": ("PGSSLCERT", "tls.crt", "postgresql.crt", "client-cert.pem"),
    "sslkey": ("PGSSLKEY", "tls.key", "postgresql.key", "client-key.pem"),
    "sslcrl": ("PGSSLCRL", "ca.crl", "root.crl", "crl.pem"),
}
_HOME_NAMES: Final = {
    "sslrootcert": "root.crt",
    "sslcert": "postgresql.crt",
    "sslkey": "postgresql.key",
    "sslcrl": "root.crl",
}


@dataclass(frozen=True)
class TlsFiles:
    root: str | None = None
    """A file, or `system` for the authorities that this machine trusts."""
    certificate: str | None = None
    key: str | None = None
    revoked: str | None = None
    revoked_folder: str | None = None
    """Of revocation lists, by OpenSSL's hashed names."""

    @staticmethod
    def found(
        named: Mapping[str, str],
        environment: Mapping[str, str] = os.environ,
        *,
        folder: Path | None = None,
        service: str | None = None,
    ) -> "TlsFiles":
        if folder is not None:
            _check_folder(folder, service)

        def find(parameter: str) -> str | None:
            return (
                named.get(parameter)
                or from_environment(parameter, environment, service)
                or _first_file(parameter, folder, service)
                or _in_home(parameter, environment)
            )

        return TlsFiles(
            root=find("sslrootcert"),
            certificate=find("sslcert"),
            key=find("sslkey"),
            revoked=find("sslcrl"),
            revoked_folder=find("sslcrldir"),
        )

    def named(self) -> dict[str, str]:
        """By the names of libpq's parameters."""
        files = {
            "sslrootcert": self.root,
            "sslcert": self.certificate,
            "sslkey": self.key,
            "sslcrl": self.revoked,
            "sslcrldir": self.revoked_folder,
        }
        return {parameter: file for parameter, file in files.items() if file}


NO_FILES: Final = TlsFiles()


def from_environment(
    parameter: str, environment: Mapping[str, str], service: str | None = None
) -> str | None:
    variable = "PG" + parameter.replace("_", "").upper()
    own = environment.get(f"{service.upper()}_{variable}") if service else None
    return own or environment.get(variable) or None


def _first_file(parameter: str, folder: Path | None, service: str | None) -> str | None:
    if folder is None:
        return None
    candidates = (folder / name for name in _candidates(parameter, service))
    return next((str(file) for file in candidates if file.exists()), None)


def _candidates(parameter: str, service: str | None) -> tuple[str, ...]:
    names = FOLDER_NAMES.get(parameter, ())
    prefixes = (f"{service}-", "") if service else ("",)
    return tuple(f"{prefix}{name}" for prefix in prefixes for name in names)


def _in_home(parameter: str, environment: Mapping[str, str]) -> str | None:
    if parameter not in _HOME_NAMES or not environment.get("HOME"):
        return None
    file = Path(environment["HOME"], ".postgresql", _HOME_NAMES[parameter])
    try:
        return str(file) if file.is_file() else None
    except OSError:
        # another's home, as containers have it that run as somebody else
        return None


def _check_folder(folder: Path, service: str | None) -> None:
    try:
        is_folder = folder.is_dir()
        holds_one = any(_first_file(parameter, folder, service) for parameter in FOLDER_NAMES)
    except OSError as error:
        raise DatabaseUrlError(
            f"DATABASE_CERTIFICATES names {shown(folder)}, which cannot be looked into: {error.strerror}"
        ) from None
    if not is_folder:
        raise DatabaseUrlError(
            f"DATABASE_CERTIFICATES names {shown(folder)}, which is no folder: correct the path"
        )
    if not holds_one:
        known = ", ".join(FOLDER_NAMES["sslrootcert"])
        raise DatabaseUrlError(
            f"DATABASE_CERTIFICATES names {shown(folder)}, which holds no file of a known name: "
            f"call the authority's one of {known}"
        )
