"""Messages as they were sent once. They are never regenerated: topics and parked keys still hold such."""

import json
from pathlib import Path

import pytest
from jsonschema_rs import validator_for

from common.contracts.catalogue import BY_TYPE, PAYLOADS
from common.contracts.json_schemas import schema_of

MESSAGES = sorted((Path(__file__).parent / "golden").glob("*.json"))

each_message = pytest.mark.parametrize("path", MESSAGES, ids=lambda path: path.stem)


def type_of(path: Path) -> str:
    return path.name.partition(".v")[0]


class TestGoldenMessages:
    def test_exist_for_every_event_type(self):
        assert {type_of(path) for path in MESSAGES} == {payload.event_type for payload in PAYLOADS}

    @each_message
    def test_are_parsed_by_todays_models_without_a_field_lost(self, path):
        message = json.loads(path.read_text())

        parsed = BY_TYPE[type_of(path)].model_validate(message)

        assert message.keys() <= parsed.model_dump().keys()

    @each_message
    def test_are_valid_by_todays_schemas(self, path):
        payload = BY_TYPE[type_of(path)]

        validator_for(schema_of(payload), validate_formats=True).validate(json.loads(path.read_text()))
