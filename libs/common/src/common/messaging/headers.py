"""CloudEvents 1.0 in Kafka's binary mode: attributes are headers, the payload is the value."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol
from uuid import UUID, uuid5

from asyncpg.pgproto import pgproto
from pydantic import ValidationError

from common.contracts.envelope import CONTENT_TYPE, SPEC_VERSION, Event, Payload, schema_urn

MOST_KEY_BYTES = 1_024
"""A longer one fits into no index, so it could not be parked."""
TRACE_HEADERS = ("traceparent", "tracestate")

_uuid: Callable[[str], UUID] = pgproto.UUID
"""The driver's, a UUID like any other: read in a tenth of the time, twice for each message."""

_UNREADABLE_IDS = UUID("6f2d2f0e-3c0b-5b52-9d0e-5a3c7b1f8a11")
"""Namespace of the ids of messages whose own id cannot be read."""


class Record(Protocol):
    """What is used of a Kafka record; aiokafka's has these attributes."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes | None]]: ...


class UndecodableError(Exception):
    """Says in one line what cannot be read, and never what it says."""


def encode(event: Event[Payload], *, trace: Mapping[str, str]) -> dict[str, str]:
    data = event.data
    headers = {
        "ce_specversion": SPEC_VERSION,
        "ce_id": str(event.id),
        "ce_source": f"/quartet/{data.topic.service}",
        "ce_type": data.event_type,
        "ce_time": event.time.astimezone(UTC).isoformat(),
        "ce_subject": event.key,
        "ce_dataschema": schema_urn(type(data)),
        "content-type": CONTENT_TYPE,
    }
    if event.user_id is not None:
        headers["ce_userid"] = str(event.user_id)
    headers.update((name, trace[name]) for name in TRACE_HEADERS if name in trace)
    return headers


def parse_event(record: Record, by_stem: Mapping[str, type[Payload]]) -> Event[Any]:
    """Reads tolerantly: fields that this version does not know are left out."""
    headers = dict(record.headers)
    if not _text(headers, "ce_specversion").startswith("1."):
        raise UndecodableError("ce_specversion is not 1.x")
    if not _text(headers, "content-type", CONTENT_TYPE).startswith(CONTENT_TYPE):
        raise UndecodableError("content-type is not application/json")
    payload_type = by_stem.get(f"{_text(headers, 'ce_type')}.v{_version(headers)}")
    if payload_type is None:
        raise UndecodableError("ce_type and ce_dataschema are no type and version that are known here")
    key = readable_key(record)
    if key is None:
        raise UndecodableError("the key is missing, too long or no text")
    return Event(
        id=_id(headers, "ce_id"),
        key=key,
        data=_payload(payload_type, record.value),
        time=_time(headers, record.timestamp),
        user_id=_id(headers, "ce_userid") if "ce_userid" in headers else None,
        trace={name: _text(headers, name) for name in TRACE_HEADERS if name in headers},
    )


def _version(headers: Mapping[str, bytes | None]) -> str:
    """Of the payload: an event without a schema is of the first."""
    named = _text(headers, "ce_dataschema", "v1")
    version = named.rpartition("v")[2]
    if not version.isascii() or not version.isdigit():
        raise UndecodableError("ce_dataschema names no version")
    return version


def type_of(record: Record) -> str | None:
    return _first(record, "ce_type")


def schema_of(record: Record) -> str | None:
    return _first(record, "ce_dataschema")


def id_of(record: Record) -> UUID:
    """The message's own id; else one of where and since when it stands, the same at every delivery."""
    try:
        return _id(dict(record.headers), "ce_id")
    except UndecodableError:
        place = f"{record.topic}/{record.partition}/{record.offset}"
        return uuid5(_UNREADABLE_IDS, f"{place}/{record.timestamp}")


def user_of(record: Record) -> UUID | None:
    """Whom it is about, if that can be read."""
    try:
        return _id(dict(record.headers), "ce_userid")
    except UndecodableError:
        return None


def trace_of(record: Record) -> dict[str, str]:
    """Of its cause, as far as it can be read."""
    found = ((name, _first(record, name)) for name in TRACE_HEADERS)
    return {name: value for name, value in found if value is not None}


def readable_key(record: Record) -> str | None:
    if record.key is not None and len(record.key) > MOST_KEY_BYTES:
        return None
    return _decoded(record.key) or None


def _first(record: Record, wanted: str) -> str | None:
    for name, value in record.headers:
        if name == wanted:
            return _decoded(value)
    return None


def _decoded(value: bytes | None) -> str | None:
    if value is None or b"\x00" in value:  # PostgreSQL's text holds no NUL
        return None
    try:
        return value.decode()
    except UnicodeDecodeError:
        return None


def _text(headers: Mapping[str, bytes | None], name: str, default: str | None = None) -> str:
    text = _decoded(headers[name]) if name in headers else default
    if text is None:
        raise UndecodableError(f"{name} is missing or no text")
    return text


def _id(headers: Mapping[str, bytes | None], name: str) -> UUID:
    try:
        return _uuid(_text(headers, name))
    except ValueError:
        raise UndecodableError(f"{name} is no UUID") from None


def _time(headers: Mapping[str, bytes | None], sent_at_ms: int) -> datetime:
    try:
        if "ce_time" not in headers:
            return datetime.fromtimestamp(sent_at_ms / 1000, UTC)
        time = datetime.fromisoformat(_text(headers, "ce_time"))
    except (ValueError, OverflowError, OSError):
        raise UndecodableError("ce_time is no timestamp") from None
    if time.tzinfo is None:
        raise UndecodableError("ce_time has no offset")
    return time


def _payload(payload_type: type[Payload], value: bytes | None) -> Payload:
    if value is None:
        raise UndecodableError("the payload is missing")
    try:
        return payload_type.model_validate_json(value, extra="ignore")
    except ValidationError as error:
        # Only places and codes: a message of pydantic's repeats what it refuses.
        faults = sorted(
            {f"{'.'.join(map(str, fault['loc'])) or 'payload'}: {fault['type']}" for fault in error.errors()}
        )
        raise UndecodableError(f"{payload_type.event_type}: {', '.join(faults[:5])}"[:500]) from None
