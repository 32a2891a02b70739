"""Messages as they were sent once. They are never regenerated: topics and parked keys still hold such."""

import json
from pathlib import Path

import pytest
from jsonschema_rs import validator_for

from common.contracts.catalogue import BY_STEM
from common.contracts.json_schemas import schema_of

MESSAGES = sorted((Path(__file__).parent / "golden").glob("*.json"))

each_message = pytest.mark.parametrize("path", MESSAGES, ids=lambda path: path.stem)


def stem_of(path: Path) -> str:
    """`user.registered.v1.2.json` is the second message that is kept of that version."""
    return path.stem.rpartition(".")[0]


class TestGoldenMessages:
    def test_exist_for_every_version_of_every_type(self):
        assert {stem_of(path) for path in MESSAGES} == set(BY_STEM)

    @each_message
    def test_are_parsed_by_todays_models_without_a_field_lost(self, path):
        message = json.loads(path.read_text())

        parsed = BY_STEM[stem_of(path)].model_validate(message)

        assert message.keys() <= parsed.model_dump().keys()

    @each_message
    def test_are_valid_by_todays_schemas(self, path):
        payload = BY_STEM[stem_of(path)]

        validator_for(schema_of(payload), validate_formats=True).validate(json.loads(path.read_text()))
