import json
from pathlib import Path

import pytest
from jsonschema_rs import validator_for

from common.contracts.asyncapi import document
from common.contracts.catalogue import PAYLOADS
from common.contracts.envelope import stem
from common.contracts.examples import BY_PAYLOAD
from common.contracts.export import HERE
from common.contracts.topics import SERVICES, TOPICS, heard_by
from common.messaging.headers import encode
from tests.support.factories import event

SPECIFICATION = json.loads((Path(__file__).parent / "asyncapi/3.0.0.json").read_text())

each_service = pytest.mark.parametrize("service", SERVICES)
each_payload = pytest.mark.parametrize("payload", PAYLOADS, ids=stem)


def committed(service: str) -> dict:
    return json.loads((HERE / f"asyncapi/{service}.json").read_text())


def message_of(payload) -> dict:
    return committed(payload.topic.service)["components"]["messages"][stem(payload)]


class TestDocument:
    @each_service
    def test_is_valid_asyncapi(self, service):
        faults = [fault.message for fault in validator_for(SPECIFICATION).iter_errors(committed(service))]

        assert faults == []

    @each_service
    def test_committed_is_what_the_contracts_say(self, service):
        assert committed(service) == document(service)

    @each_service
    def test_sends_what_the_service_writes_and_receives_what_it_hears(self, service):
        operations = committed(service)["operations"]

        assert {name for name, one in operations.items() if one["action"] == "send"} == {
            f"send.{topic.name}" for topic in TOPICS if topic.service == service
        }
        assert {name for name, one in operations.items() if one["action"] == "receive"} == {
            f"receive.{topic.name}" for topic in heard_by(service)
        }

    @each_payload
    def test_describes_the_headers_that_are_sent(self, payload):
        sent = encode(event(BY_PAYLOAD[payload], key="key", user_id=None), trace={"traceparent": "00-1-2-01"})
        headers = message_of(payload)["headers"]

        validator_for(headers, validate_formats=True).validate(sent)
        assert sent.keys() <= headers["properties"].keys()

    @each_payload
    def test_describes_the_payload_without_pointing_elsewhere(self, payload):
        described = message_of(payload)

        validator_for(described["payload"], validate_formats=True).validate(
            described["examples"][0]["payload"]
        )
        assert "$ref" not in json.dumps(described)


class TestPersonalData:
    @each_payload
    def test_is_every_text_of_a_payload_that_a_user_may_have_written(self, payload):
        texts = {name for name, field in payload.model_fields.items() if "str" in str(field.annotation)}

        assert texts == payload.personal

    @each_payload
    def test_is_forgotten_within_a_week(self, payload):
        assert not payload.personal or payload.topic.retention.days <= 7

    def test_in_events_is_never_an_address(self):
        assert [
            stem(payload) for payload in PAYLOADS if {"email", "phone"} & payload.model_fields.keys()
        ] == []
