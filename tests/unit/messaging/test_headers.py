import json
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from common.contracts.auth import UserRegistered
from common.contracts.catalogue import BY_STEM
from common.messaging.headers import UndecodableError, encode, id_of, parse_event, readable_key, type_of
from tests.support.factories import one_of_each, user_registered

EVENT = user_registered()
TRACE = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate": "a=b"}


@dataclass
class Record:
    headers: list[tuple[str, bytes]]
    value: bytes | None
    key: bytes | None = EVENT.key.encode()
    topic: str = "auth.user.v1"
    partition: int = 2
    offset: int = 41
    timestamp: int = 1_795_000_000_000


@dataclass
class Sent:
    """The record of an event, with some headers changed or, when None, left out."""

    changes: dict[str, bytes | None] = field(default_factory=dict)

    def record(self) -> Record:
        headers: dict[str, bytes | None] = {k: v.encode() for k, v in encode(EVENT, trace={}).items()}
        kept = [(name, value) for name, value in (headers | self.changes).items() if value is not None]
        return Record(kept, EVENT.data.model_dump_json().encode())


class TestEncode:
    def test_names_the_attributes_of_cloudevents(self):
        assert encode(EVENT, trace=TRACE) == {
            "ce_specversion": "1.0",
            "ce_id": str(EVENT.id),
            "ce_source": "/quartet/auth",
            "ce_type": "user.registered",
            "ce_time": "2026-11-22T12:00:00+00:00",
            "ce_subject": EVENT.key,
            "ce_dataschema": "urn:quartet:schema:user.registered.v1",
            "ce_userid": str(EVENT.user_id),
            "content-type": "application/json",
            **TRACE,
        }


class TestParseEvent:
    @pytest.mark.parametrize("event", one_of_each(), ids=lambda event: event.type)
    def test_gives_back_what_was_encoded(self, event):
        headers = [(name, value.encode()) for name, value in encode(event, trace=TRACE).items()]
        record = Record(headers, event.data.model_dump_json().encode(), key=event.key.encode())

        parsed = parse_event(record, BY_STEM)

        assert (parsed.id, parsed.key, parsed.data, parsed.time, parsed.user_id) == (
            *(event.id, event.key, event.data, event.time, event.user_id),
        )
        assert parsed.trace == TRACE

    def test_leaves_out_fields_of_a_newer_version(self):
        record = Sent().record()
        record.value = json.dumps({**json.loads(record.value or b""), "shoe_size": 43}).encode()

        assert parse_event(record, BY_STEM).data == EVENT.data

    def test_takes_an_event_without_a_schema_for_the_first_version(self):
        assert parse_event(Sent({"ce_dataschema": None}).record(), BY_STEM).data == EVENT.data

    def test_takes_the_version_that_the_schema_names(self):
        class Anew(UserRegistered):
            event_version = 2

        record = Sent({"ce_dataschema": b"urn:quartet:schema:user.registered.v2"}).record()

        assert isinstance(parse_event(record, {**BY_STEM, "user.registered.v2": Anew}).data, Anew)

    def test_takes_the_records_time_when_the_event_has_none(self):
        parsed = parse_event(Sent({"ce_time": None}).record(), BY_STEM)

        assert parsed.time == datetime.fromtimestamp(1_795_000_000, UTC)

    def test_says_so_when_neither_is_a_time(self):
        record = Sent({"ce_time": None}).record()
        record.timestamp = -(2**62)

        with pytest.raises(UndecodableError):
            parse_event(record, BY_STEM)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("ce_id", None),
            ("ce_id", b"41"),
            ("ce_id", b"\xff\xfe"),
            ("ce_type", None),
            ("ce_type", b"\xff"),
            ("ce_type", b"user.unheard_of"),
            ("ce_dataschema", b"urn:quartet:schema:user.registered.v99"),
            ("ce_dataschema", b"urn:quartet:schema:user.registered"),
            ("ce_dataschema", b"\xff"),
            ("ce_specversion", b"2.0"),
            ("ce_specversion", None),
            ("ce_time", b"yesterday"),
            ("ce_time", b"2026-11-22T12:00:00"),
            ("ce_userid", b"nobody"),
            ("traceparent", b"\xff"),
            ("content-type", b"application/avro"),
        ],
    )
    def test_says_which_header_it_cannot_read(self, name, value):
        with pytest.raises(UndecodableError, match=name):
            parse_event(Sent({name: value}).record(), BY_STEM)

    @pytest.mark.parametrize("value", [None, b"", b"\xff\xfe", b"[]", b'{"version": "hunter2"}', b"nul\x00"])
    def test_never_repeats_what_the_payload_says(self, value):
        record = Sent().record()
        record.value = value

        with pytest.raises(UndecodableError) as raised:
            parse_event(record, BY_STEM)

        assert "hunter2" not in str(raised.value)
        assert "\n" not in str(raised.value)

    @pytest.mark.parametrize("key", [None, b"", b"\xff", b"a\x00b"])
    def test_refuses_a_key_that_is_no_text(self, key):
        record = Sent().record()
        record.key = key

        assert readable_key(record) is None
        with pytest.raises(UndecodableError, match="key"):
            parse_event(record, BY_STEM)


class TestIdOf:
    def test_is_the_messages_own_when_it_can_be_read(self):
        assert id_of(Sent({"ce_userid": b"\xff"}).record()) == EVENT.id

    def test_is_made_of_the_place_otherwise_and_the_same_each_time(self):
        record, later = Sent({"ce_id": b"\xff"}).record(), Sent({"ce_id": None}).record()
        elsewhere = Sent({"ce_id": None}).record()
        elsewhere.offset = 42

        assert id_of(record) == id_of(later)
        assert id_of(record) != id_of(elsewhere)

    def test_is_another_for_what_stands_there_on_a_cluster_that_begins_anew(self):
        record, anew = Sent({"ce_id": None}).record(), Sent({"ce_id": None}).record()
        anew.timestamp += 1

        assert id_of(record) != id_of(anew)


class TestTypeOf:
    @pytest.mark.parametrize(("value", "found"), [(b"user.registered", "user.registered"), (b"\xff", None)])
    def test_is_none_when_unreadable(self, value, found):
        assert type_of(Sent({"ce_type": value}).record()) == found
