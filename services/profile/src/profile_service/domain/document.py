"""A profile as JSON, read as a whole: every fault at once, and what did not change is not read anew."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, Final, cast

from common.errors import Fault
from profile_service.domain.countries import COUNTRY
from profile_service.domain.fields import FIELDS, GROUPS, Field, Values
from profile_service.domain.reading import Reading, RefusedError, Value

Json = Any
READ_ONLY: Final = ("user_id", "timezone", "language", "version", "created_at", "updated_at")
_TOP_LEVEL: Final = frozenset(one.name for one in FIELDS if one.group is None) | GROUPS.keys()


@dataclass
class Read:
    values: Values = field(default_factory=dict[str, Value | None])
    faults: list[Fault] = field(default_factory=list[Fault])


def read_document(
    document: dict[str, Json], *, kept: Values, read_only: Mapping[str, Json], reading: Reading
) -> Read:
    """`kept` is what is stored: the same value passes, though the rules may have become stricter since.

    Read-only members may stand in the document, as they were shown.
    """
    found = Read()
    found.faults += _misplaced(document, read_only)
    reading = replace(reading, region=reading.region or _country(document, reading))
    groups = {name: _group(document, name, found) for name in GROUPS}
    for one in FIELDS:
        inside = document if one.group is None else groups[one.group]
        found.values[one.column] = _value(one, inside.get(one.name), kept[one.column], reading, found)
    found.faults += _nameless(groups["emergency_contact"])
    return found


def shown(value: Value | None) -> str | None:
    return value.isoformat() if isinstance(value, date) else value


def _value(one: Field, given: Json, kept: Value | None, reading: Reading, found: Read) -> Value | None:
    if given is None:
        return None
    if given == shown(kept):
        return kept
    if not isinstance(given, str):
        found.faults.append(Fault(one.pointer, "field.wrong_type", "This is a text or null."))
        return None
    try:
        return one.rule.read(given, reading)
    except RefusedError as refused:
        found.faults.append(Fault(one.pointer, refused.code, refused.detail, refused.choices))
        return None


def _misplaced(document: dict[str, Json], read_only: Mapping[str, Json]) -> Iterator[Fault]:
    for name, value in document.items():
        if name in READ_ONLY:
            # True is 1 to Python
            if value != read_only[name] or type(value) is not type(read_only[name]):
                yield Fault(f"/{name}", "field.read_only", "This is not changed here.")
        elif name not in _TOP_LEVEL:
            yield _unknown("", name)


def _group(document: dict[str, Json], name: str, found: Read) -> dict[str, Json]:
    given = document.get(name)
    if given is None:
        return {}
    if not isinstance(given, dict):
        found.faults.append(Fault(f"/{name}", "field.wrong_type", "This is an object or null."))
        return {}
    members = cast("dict[str, Json]", given)
    known = {one.name for one in FIELDS if one.group == name}
    found.faults += [_unknown(f"/{name}", member) for member in members if member not in known]
    return members


def _nameless(contact: dict[str, Json]) -> Iterator[Fault]:
    if contact.get("name") is None and any(value is not None for value in contact.values()):
        yield Fault(
            "/emergency_contact/name", "emergency_contact.name_missing", "Somebody to be called has a name."
        )


def _country(document: dict[str, Json], reading: Reading) -> str | None:
    address = document.get("address")
    country = cast("dict[str, Json]", address).get("country") if isinstance(address, dict) else None
    try:
        return str(COUNTRY.read(country, reading)) if isinstance(country, str) else None
    except RefusedError:
        return None


def _unknown(inside: str, name: str) -> Fault:
    escaped = name.replace("~", "~0").replace("/", "~1")
    return Fault(f"{inside}/{escaped}", "field.unknown", "There is no such field.")
