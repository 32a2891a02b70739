"""Settings that do not fit end the process with one line for each, naming the variable and what to do."""

import json
import os
import sys
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Literal, NoReturn, TypeVar, cast, get_args, get_origin

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsError

from common.certificates import shown
from common.crypto.keys import KeysSettings, UnusableKeyError
from common.settings_urls import faulty_urls, password_in

S = TypeVar("S", bound=BaseSettings)

EXIT_CODE = 2
_KNOWN_PASSWORDS = frozenset(
    {"", "admin", "changeme", "password", "postgres", "quartet", "redis", "secret", "test"}
)


def load(settings_class: type[S], *, service: str | None = None) -> S:
    """The settings, or the end of the process: nothing starts half configured."""
    try:
        settings = settings_class()
    except ValidationError as error:
        _leave(_lines(settings_class, error))
    except SettingsError:
        _leave(list(_unreadable(settings_class)) or ["a variable that should hold JSON does not"])
    faults = (_missing_files(settings), faulty_urls(settings, service=service), _unusable_keys(settings))
    if lines := [*chain(*faults), *_development_secrets(settings)]:
        _leave(lines)
    return settings


def _leave(lines: list[str]) -> NoReturn:
    for line in dict.fromkeys(lines):
        print(f"settings: {line}", file=sys.stderr)  # noqa: T201 - logging is not set up yet
    raise SystemExit(EXIT_CODE)


def variable(location: tuple[int | str, ...]) -> str:
    return "_".join(str(part) for part in location[:2]).upper()


def _lines(settings_class: type[BaseSettings], error: ValidationError) -> list[str]:
    lines: list[str] = []
    for fault in error.errors(include_input=False, include_url=False, include_context=False):
        location = fault["loc"]
        if fault["type"] == "missing":
            lines += [f"{name} is not set: {what}" for name, what in _required(settings_class, location)]
        elif location and fault["type"] != "value_error":
            lines.append(f"{variable(location)} does not fit: {_sentence(fault['msg'])}")
        else:
            lines.append(_sentence(fault["msg"]))
    return lines


def _sentence(message: str) -> str:
    return message.removeprefix("Value error, ").removeprefix("Input ").rstrip(".")


def _required(
    settings_class: type[BaseSettings], location: tuple[int | str, ...]
) -> Iterator[tuple[str, str]]:
    """A group of which nothing is set is named by the variables that it needs."""
    model: type[BaseModel] = settings_class
    for part in location:
        field = model.model_fields.get(str(part))
        annotation = None if field is None else field.annotation
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            yield variable(location), "set it to " + _expected(annotation)
            return
        model = annotation
    for name, field in model.model_fields.items():
        if field.is_required():
            yield variable((*location, name)), "set it to " + _expected(field.annotation)


def _expected(annotation: object) -> str:
    if choices := get_args(annotation) if get_origin(annotation) is Literal else ():
        return " or ".join(choices)
    if annotation is Path:
        return "the path of a file"
    if annotation is SecretStr:
        return "its secret value"
    if annotation is int:
        return "a number"
    if get_origin(annotation) in {dict, list, tuple}:
        return "JSON"
    return "a value"


def _unreadable(settings_class: type[BaseSettings]) -> Iterator[str]:
    """pydantic-settings names the group only, and its cause quotes the value: the variable is looked for."""
    for name, field in settings_class.model_fields.items():
        group = field.annotation
        if isinstance(group, type) and issubclass(group, BaseModel):
            fields = {f"{name}_{inner}": part.annotation for inner, part in group.model_fields.items()}
        else:
            fields = {name: group}
        for field_name, annotation in fields.items():
            value = os.environ.get(field_name.upper())
            if value is not None and _expected(annotation) == "JSON" and not _is_json(value):
                yield f'{field_name.upper()} is no JSON: lists are written as ["a", "b"]'


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def walk(model: BaseModel, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], object]]:
    for name in type(model).model_fields:
        value: object = getattr(model, name)
        if isinstance(value, BaseModel):
            yield from walk(value, (*path, name))
        else:
            yield (*path, name), value


def _missing_files(settings: BaseSettings) -> Iterator[str]:
    for path, value in walk(settings):
        if not isinstance(value, Path) or not path[-1].endswith("_file"):
            continue
        try:
            if not value.is_file():
                yield f"{variable(path)} names {shown(value)}, which is no file: make it or correct the path"
                continue
            value.open("rb").close()
        except OSError as error:
            yield f"{variable(path)} names {shown(value)}, which cannot be read: {error.strerror}"


def _is_production(settings: BaseSettings) -> bool:
    return getattr(settings, "environment", None) == "production"


def _development_secrets(settings: BaseSettings) -> Iterator[str]:
    if not _is_production(settings):
        return
    for path, value in walk(settings):
        if any(map(_is_for_development, _secrets(value))):
            yield f"{variable(path)} holds a secret for development: set one of your own in production"


def _secrets(value: object) -> Iterator[str]:
    """Those in lists and objects, too."""
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, (dict, tuple, list)):
        parts = cast("dict[object, object]", value).values() if isinstance(value, dict) else value
        for part in cast("Iterable[object]", parts):
            yield from _secrets(part)


def _is_for_development(text: str) -> bool:
    secret = password_in(text) if "://" in text else text
    # a URL without a password may log in with a certificate
    return secret is not None and (secret.lower() in _KNOWN_PASSWORDS or secret.lower().startswith("dev-"))


def _unusable_keys(settings: BaseSettings) -> Iterator[str]:
    keys: object = getattr(settings, "keys", None)
    if not isinstance(keys, KeysSettings):
        return
    try:
        keys.cipher(getattr(settings, "environment", "production"))
    except UnusableKeyError as error:
        yield f"{keys.source} does not fit: {error}"
    except (OSError, UnicodeDecodeError):
        # that the file is not there or cannot be read is told for every file
        return
