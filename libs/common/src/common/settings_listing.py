"""`--print-config`: what a process would run with, a line for each variable, without secrets."""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Mapping
from typing import TypeVar, cast

from pydantic import BaseModel, SecretStr
from pydantic_settings import BaseSettings

from common.postgres.url import Surroundings, parse_url
from common.settings import DatabaseSettings
from common.settings_errors import load, variable
from common.settings_urls import HIDDEN, redacted

S = TypeVar("S", bound=BaseSettings)


def settings_of(
    settings_class: type[S], *, service: str, program: str, arguments: list[str] | None = None
) -> S:
    """The settings that a process starts with; it ends here when it was asked to print them."""
    parser = argparse.ArgumentParser(prog=f"python -m {program}")
    parser.add_argument("--print-config", action="store_true", help="print the settings and end")
    asked = parser.parse_args(arguments).print_config
    settings = load(settings_class, service=service)
    if asked:
        print_config(settings, service=service)
        raise SystemExit(0)
    return settings


def print_config(settings: BaseSettings, *, service: str) -> None:
    sys.stdout.writelines(f"{line}\n" for line in listing(settings, service=service))


def listing(
    settings: BaseSettings, *, service: str, environment: Mapping[str, str] = os.environ
) -> Iterator[str]:
    """As they could be set in a shell; a comment says which are defaults and what else was found."""
    known: set[str] = set()
    for name, value, is_set in _variables(settings):
        known.add(name)
        if value is None:
            yield f"# {name} is not set"
        else:
            yield f"{name}={_shown(value)}" + ("" if is_set else "  # default")
    database: object = getattr(settings, "database", None)
    if isinstance(database, DatabaseSettings):
        yield from _tls_of(database, service)
    groups = tuple(f"{name.upper()}_" for name in type(settings).model_fields)
    for name in sorted(environment):
        if name.startswith(groups) and name not in known:
            yield f"# {name} is set and read by nothing"


def _variables(settings: BaseSettings) -> Iterator[tuple[str, object, bool]]:
    for name in type(settings).model_fields:
        group: object = getattr(settings, name)
        if isinstance(group, BaseModel):
            for inner in type(group).model_fields:
                yield variable((name, inner)), getattr(group, inner), inner in group.model_fields_set
        else:
            yield variable((name,)), group, name in settings.model_fields_set


def _shown(value: object) -> str:
    if isinstance(value, SecretStr):
        secret = value.get_secret_value()
        return redacted(secret) if "://" in secret else HIDDEN
    if isinstance(value, (dict, list, tuple)):
        return json.dumps(_plain(cast("object", value)))
    text = str(value)
    return redacted(text) if "://" in text else text


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in cast("dict[object, object]", value).items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in cast("list[object]", value)]
    return value if isinstance(value, (int, float, bool)) else _shown(value)


def _tls_of(settings: DatabaseSettings, service: str) -> Iterator[str]:
    found = parse_url(settings.url.get_secret_value(), Surroundings(service, settings.certificates))
    files = "".join(f", {parameter} {file}" for parameter, file in found.tls_files.named().items())
    yield f"# DATABASE_URL: sslmode {found.mode}{files}"
