from pathlib import Path

from pydantic_settings import BaseSettings

from common.certificates import watch_files
from common.clock import utc_now
from common.postgres.url import Surroundings, parse_url
from common.settings import Settings
from common.settings_errors import variable, walk


def watch_certificates(settings: Settings, *, service: str) -> None:
    """Every certificate that this process reads from a file is in its metrics, and warned of in time."""
    watch_files(_of_settings(settings) | _of_database(settings, service), utc_now())


def _of_settings(settings: BaseSettings) -> dict[str, Path]:
    files = {variable(path): value for path, value in walk(settings) if isinstance(value, Path)}
    return {name: file for name, file in files.items() if name.endswith("_FILE")}


def _of_database(settings: Settings, service: str) -> dict[str, Path]:
    database = settings.database
    found = parse_url(database.url.get_secret_value(), Surroundings(service, database.certificates))
    files = found.tls_files.named() if found.ssl else {}
    return {f"DATABASE_URL {name}": Path(file) for name, file in files.items() if file != "system"}
