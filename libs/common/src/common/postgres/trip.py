"""Several statements in one round trip: a whole transaction, or a part of one (ADR 0026).

They leave in one piece and are carried out one after the other, up to the first that fails. Where none was
begun, the server takes all that comes before a Sync as one transaction, and a pooler sees one answer end.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from struct import Struct
from typing import Any, Final, NamedTuple, cast
from uuid import UUID

import asyncpg
from asyncpg.pgproto import pgproto

from common.postgres.context import AsUser, role_name
from common.postgres.statement_names import Naming, name_of

_One = str | int | bytes | UUID | date
Argument = _One | list[bytes] | list[str] | list[int] | list[UUID] | None
Row = tuple[Any, ...]

_INT16, _INT32 = Struct("!h"), Struct("!i")
_HEAD = Struct("!ci")
_TYPE_OF_COLUMN = Struct("!ihihih")
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_FIRST_DAY = _EPOCH.date().toordinal()
_AS = "SELECT set_config('role', $1, true), set_config('app.user_id', $2, true)"


class Step(NamedTuple):
    """One statement, with `$1` and so on for its arguments."""

    statement: str
    arguments: Sequence[Argument]
    as_user: AsUser | None = None
    """None: as whom the transaction runs already."""

    def role(self, service: str) -> str:
        return "" if self.as_user is None else role_name(service, self.as_user)


class Found(NamedTuple):
    rows: list[list[Row]]
    """Of each step."""
    tag: str
    """What the server called the last statement that it completed."""


class Trip(asyncio.Protocol):
    """Takes the driver's place at its transport until the server is ready for the next one."""

    def __init__(
        self, driver: asyncio.Protocol, ended: "asyncio.Future[Found]", steps: Sequence[Step]
    ) -> None:
        self.ended: Final = ended
        self._driver = driver
        self._received = b""
        # what says as whom a step runs is a statement, too, and answers
        self._is_step = [is_step for step in steps for is_step in _statements(step)]
        self._statement = 0
        self._decoders: tuple[Callable[[bytes], Any], ...] = ()
        self._rows: list[Row] = []
        self._found: list[list[Row]] = []
        self._tag = ""
        self._error: BaseException | None = None

    def data_received(self, data: bytes) -> None:
        received, at = self._received + data, 0
        while len(received) - at >= _HEAD.size:
            kind, length = _HEAD.unpack_from(received, at)
            if len(received) - at <= length:
                break
            self._take(kind, received[at + _HEAD.size : at + 1 + length])
            at += 1 + length
        self._received = received[at:]

    def give_up(self) -> None:
        self._end(TimeoutError("no answer"))

    def connection_lost(self, exc: Exception | None) -> None:
        self._driver.connection_lost(exc)
        self._end(self._error or exc or ConnectionResetError("the connection ended"))

    def eof_received(self) -> bool | None:
        return self._driver.eof_received()

    def pause_writing(self) -> None:
        self._driver.pause_writing()

    def resume_writing(self) -> None:
        self._driver.resume_writing()

    def _take(self, kind: bytes, body: bytes) -> None:
        match kind:
            case b"D":
                if self._is_step[self._statement]:
                    self._rows.append(_row(body, self._decoders))
            case b"T":
                self._decoders = _decoders(body)
            case b"C":
                self._complete(body[:-1].decode())
            case b"E":
                self._error = _error(body)
            case b"Z":
                self._end(self._error)
            case _:
                pass

    def _complete(self, tag: str) -> None:
        if self._is_step[self._statement]:
            self._found.append(self._rows)
            self._rows = []
        self._statement += 1
        self._tag = tag

    def _end(self, error: BaseException | None) -> None:
        if self.ended.done():
            return
        if error is None:
            self.ended.set_result(Found(self._found, self._tag))
        else:
            self.ended.set_exception(error)


def trip_message(service: str, steps: Sequence[Step], naming: Naming) -> bytes:
    """Everything that is sent, with a single Sync at its end; arguments never become a part of the SQL."""
    parts: list[bytes] = []
    for step in steps:
        role = step.role(service)
        if step.as_user is not None:
            parts += (*_asked(_statement(_AS, ""), (role, _user_id(step.as_user)), naming), _EXECUTE)
        parts += (*_asked(_statement(step.statement, role), step.arguments, naming), _DESCRIBE, _EXECUTE)
    return b"".join((*parts, _SYNC))


def becoming(service: str, as_user: AsUser) -> Step:
    """From here on the transaction runs as that user."""
    return Step(_AS, (role_name(service, as_user), _user_id(as_user)))


def _user_id(as_user: AsUser) -> str:
    return "" if isinstance(as_user, str) else str(as_user)


def _statements(step: Step) -> tuple[bool, ...]:
    return (True,) if step.as_user is None else (False, True)


def _message(kind: bytes, body: bytes) -> bytes:
    return _HEAD.pack(kind, len(body) + 4) + body


_DESCRIBE: Final = _message(b"D", b"P\0")
_EXECUTE: Final = _message(b"E", b"\0" + _INT32.pack(0))
_SYNC: Final = _message(b"S", b"")


class _Statement(NamedTuple):
    name: bytes
    parse: bytes
    parse_anew: bytes


@lru_cache(256)
def _statement(statement: str, role: str) -> _Statement:
    name = name_of(statement, role).encode() + b"\0"
    what = statement.encode() + b"\0" + _INT16.pack(0)
    # closing what is not there is no error
    anew = _message(b"C", b"S" + name) + _message(b"P", name + what)
    return _Statement(name, _message(b"P", b"\0" + what), anew)


def _asked(statement: _Statement, arguments: Sequence[Argument], naming: Naming) -> tuple[bytes, bytes]:
    match naming:
        case Naming.KNOWN:
            return b"", _bind(statement.name, arguments)
        case Naming.ANEW:
            return statement.parse_anew, _bind(statement.name, arguments)
        case Naming.NONE:
            return statement.parse, _bind(b"\0", arguments)


def _bind(name: bytes, arguments: Sequence[Argument]) -> bytes:
    """Arguments as text, which their types are inferred for; results in their binary form, which no setting
    of the server changes."""
    parts = [b"\0" + name, _INT16.pack(0), _INT16.pack(len(arguments))]
    for argument in arguments:
        if argument is None:
            parts.append(_INT32.pack(-1))
        else:
            text = _text(argument).encode()
            parts += (_INT32.pack(len(text)), text)
    parts.append(_INT16.pack(1) + _INT16.pack(1))
    return _message(b"B", b"".join(parts))


def _text(argument: _One | list[bytes] | list[str] | list[int] | list[UUID]) -> str:
    match argument:
        case date():
            return argument.isoformat()
        case bytes():
            return f"\\x{argument.hex()}"
        case list():
            return "{" + ",".join(_quoted(_text(one)) for one in argument) + "}"
        case _:
            return str(argument)


def _quoted(element: str) -> str:
    escaped = element.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _row(body: bytes, decoders: Sequence[Callable[[bytes], Any]]) -> Row:
    values: list[Any] = []
    at = 2
    for decode in decoders:
        (length,) = _INT32.unpack_from(body, at)
        at += 4
        if length < 0:
            values.append(None)
        else:
            values.append(decode(body[at : at + length]))
            at += length
    return tuple(values)


@lru_cache(256)
def _decoders(description: bytes) -> tuple[Callable[[bytes], Any], ...]:
    found: list[Callable[[bytes], Any]] = []
    at = 2
    for _ in range(_INT16.unpack_from(description)[0]):
        at = description.index(b"\0", at) + 1
        found.append(_DECODERS[_TYPE_OF_COLUMN.unpack_from(description, at)[2]])
        at += _TYPE_OF_COLUMN.size
    return tuple(found)


def _integer(raw: bytes) -> int:
    return int.from_bytes(raw, "big", signed=True)


def _texts(raw: bytes) -> list[str]:
    """Of one dimension, without null."""
    texts: list[str] = []
    at = 20
    while at < len(raw):
        (length,) = _INT32.unpack_from(raw, at)
        texts.append(raw[at + 4 : at + 4 + length].decode())
        at += 4 + length
    return texts


_DECODERS: Final[dict[int, Callable[[bytes], Any]]] = {
    16: lambda raw: raw == b"\x01",
    20: _integer,
    23: _integer,
    25: bytes.decode,
    1009: _texts,
    1082: lambda raw: date.fromordinal(_FIRST_DAY + _integer(raw)),
    1184: lambda raw: _EPOCH + timedelta(microseconds=_integer(raw)),
    2950: pgproto.UUID,
}
"""By the number of the type: bool, bigint, integer, text, text[], date, timestamptz, uuid; else KeyError."""


def _error(body: bytes) -> BaseException:
    fields = {part[:1].decode(): part[1:].decode(errors="replace") for part in body.split(b"\0") if part}
    return cast("BaseException", asyncpg.PostgresError.new(fields))
