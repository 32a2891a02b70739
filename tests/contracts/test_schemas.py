import json

import pytest
from jsonschema_rs import validator_for

from common.contracts import export
from common.contracts.catalogue import BY_STEM, PAYLOADS
from common.contracts.envelope import Payload, stem
from common.contracts.examples import BY_PAYLOAD
from common.messaging.headers import encode
from tests.support.factories import event

SCHEMAS = export.HERE / "schemas"

each_payload = pytest.mark.parametrize("payload", PAYLOADS, ids=stem)


def committed_schema(payload: type[Payload]) -> dict[str, object]:
    return json.loads((SCHEMAS / f"{stem(payload)}.schema.json").read_text())


class TestCommittedSchemas:
    def test_equal_what_the_models_say(self):
        assert export.differences() == []

    def test_changed_only_in_ways_that_readers_survive(self):
        assert export.incompatible() == []

    @each_payload
    def test_are_what_the_header_of_a_message_names(self, payload):
        example = event(BY_PAYLOAD[payload], key="key", user_id=None)

        assert committed_schema(payload)["$id"] == encode(example, trace={})["ce_dataschema"]

    @each_payload
    def test_leave_room_for_fields_to_come(self, payload):
        assert "additionalProperties" not in committed_schema(payload)


class TestExamples:
    @each_payload
    def test_are_there_for_every_event_type(self, payload):
        assert payload in BY_PAYLOAD

    @each_payload
    def test_parse_to_what_they_were_made_from(self, payload):
        text = (SCHEMAS / f"{stem(payload)}.example.json").read_text()

        assert payload.model_validate_json(text) == BY_PAYLOAD[payload]

    @each_payload
    def test_are_valid_by_the_committed_schema(self, payload):
        example = json.loads((SCHEMAS / f"{stem(payload)}.example.json").read_text())

        validator_for(committed_schema(payload), validate_formats=True).validate(example)


class TestCatalogue:
    def test_has_one_payload_for_each_type(self):
        assert len(BY_STEM) == len(PAYLOADS)

    @each_payload
    def test_names_types_in_the_past_tense_of_an_aggregate(self, payload):
        aggregate, _, happened = payload.event_type.partition(".")

        assert aggregate.isidentifier()
        assert happened.endswith("ed")

    @each_payload
    def test_says_in_a_sentence_what_happened(self, payload):
        assert (payload.__doc__ or "").strip().endswith(".")
