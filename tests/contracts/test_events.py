"""What holds of an event before anybody has read it."""

import itertools

import pytest
from pydantic import ValidationError

from common.contracts.catalogue import PAYLOADS
from common.contracts.envelope import stem
from common.contracts.examples import BY_PAYLOAD
from common.ids import new_id

each_payload = pytest.mark.parametrize("payload", PAYLOADS, ids=stem)


class TestAPayload:
    @each_payload
    def test_cannot_be_made_with_a_field_that_its_schema_does_not_have(self, payload):
        with pytest.raises(ValidationError) as refused:
            payload.model_validate(dict(BY_PAYLOAD[payload]) | {"shoe_size": 43})

        assert [fault["type"] for fault in refused.value.errors()] == ["extra_forbidden"]

    @each_payload
    def test_stays_as_it_was_made(self, payload):
        name = next(iter(payload.model_fields))

        with pytest.raises(ValidationError, match="frozen"):
            setattr(BY_PAYLOAD[payload].model_copy(), name, None)


class TestAnId:
    def test_is_a_uuid_of_version_7_and_sorts_by_when_it_was_made(self):
        made = [new_id() for _ in range(1_000)]

        assert {one.version for one in made} == {7}
        assert all(before.int >> 80 <= after.int >> 80 for before, after in itertools.pairwise(made))
