"""Whatever is put into a field: it is refused with a code of the field, or has one spelling from then on."""

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from profile_service.domain.document import read_document, shown
from profile_service.domain.fields import BY_COLUMN, FIELDS, NOTHING, Field
from profile_service.domain.reading import Reading, RefusedError
from tests.support.profile_values import values_for

READING = Reading(date(2026, 11, 22))
each_field = pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.column)
json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
names = st.sampled_from(
    [*BY_COLUMN, "emergency_contact", "address", "user_id", "version", "name", "city", ""]
)


def outcome(field: Field, text: str) -> tuple[str, str]:
    """The code of its refusal, or how it is stored."""
    try:
        return "", shown(field.rule.read(text, READING)) or ""
    except RefusedError as refused:
        return refused.code, ""


class TestAValue:
    @each_field
    @settings(max_examples=60, deadline=None)
    @given(data=st.data())
    def test_that_is_taken_is_taken_as_it_is_the_next_time(self, field, data):
        code, stored = outcome(field, data.draw(values_for(field)))

        assert code in {"", *field.rule.codes}
        assert len(stored) <= field.rule.most
        assert code or outcome(field, stored) == ("", stored)


class TestADocument:
    @settings(max_examples=100, deadline=None)
    @given(st.dictionaries(names, json, max_size=5))
    def test_of_any_json_is_read_or_has_faults_with_pointers(self, document):
        shown_only = dict.fromkeys(("user_id", "timezone", "language", "version", "created_at", "updated_at"))

        found = read_document(document, kept=NOTHING, read_only=shown_only, reading=READING)

        assert found.values.keys() == NOTHING.keys()
        assert all(fault.pointer.startswith("/") and fault.code for fault in found.faults)
