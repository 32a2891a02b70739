"""What the API takes the database takes, and what it refuses is not stored as something else."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.errors import QuartetError
from common.ids import new_id
from common.postgres.engine import Transaction
from profile_service.api.me import MOST_BYTES
from profile_service.domain.document import shown
from profile_service.domain.fields import BY_COLUMN, FIELDS, GROUPS, NOTHING, Field
from profile_service.domain.reading import Reading, RefusedError
from profile_service.storage.constraints import CONSTRAINTS
from profile_service.storage.profiles import change_profile, lock_profile
from tests.support.profile_values import values_for

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
READING = Reading(NOW.date())
TEXTS = [field for field in FIELDS if not field.rule.of_dates]
# two spellings of one number or of one path both pass the database's pattern; the API writes one of them
LOOSER = {"website", "linkedin", *(field.column for field in FIELDS if "phone" in field.column)}
WITH_NAME = {"emergency_contact_name": "Annabella"}
BAD: dict[str, dict[str, Any]] = {
    **{f"profiles_{field.column}_check": {**WITH_NAME, field.column: "\u0001"} for field in TEXTS},
    "profiles_date_of_birth_check": {"date_of_birth": date(2100, 1, 1)},
    "profiles_emergency_contact_check": {"emergency_contact_relationship": "mother"},
}
quickly = settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
# of what is too long as a whole nothing is read
EVERYTHING = st.fixed_dictionaries({field.column: values_for(field) for field in FIELDS}).filter(
    lambda values: len(json.dumps(values)) < MOST_BYTES
)


def document(values: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {name: {} for name in GROUPS}
    for column, value in values.items():
        field = BY_COLUMN[column]
        (found if field.group is None else found[field.group])[field.name] = value
    return found


def flat(answer: dict[str, Any]) -> dict[str, Any]:
    return {
        field.column: (answer if field.group is None else answer[field.group] or {}).get(field.name)
        for field in FIELDS
    }


def read(field: Field, text: str) -> str | None:
    """As the API stores it; None when it is refused."""
    try:
        return shown(field.rule.read(text, READING))
    except RefusedError:
        return None


async def taken(superuser, field: Field, texts: list[str]) -> list[bool]:
    """Which of them the column's CHECK lets through."""
    told = await superuser.fetchval(
        "select pg_get_constraintdef(oid) from pg_constraint"
        " where conname = $1 and connamespace = 'profile'::regnamespace",
        f"profiles_{field.column}_check",
    )
    rows = await superuser.fetch(
        f"select ({told.removeprefix('CHECK ')}) as taken"
        f" from unnest($1::text[]) with ordinality as t ({field.column}, number) order by number",
        texts,
    )
    return [row["taken"] for row in rows]


class TestTheDatabase:
    @pytest.mark.parametrize("field", TEXTS, ids=lambda field: field.column)
    @settings(quickly, max_examples=4)
    @given(data=st.data())
    async def test_takes_all_that_the_api_stores_and_no_second_spelling(self, superuser, field, data):
        texts = [
            text.replace("\x00", "")
            for text in data.draw(st.lists(values_for(field), min_size=20, max_size=60))
        ]
        stored = [value for text in texts if (value := read(field, text)) is not None]

        let_through = await taken(superuser, field, texts)

        assert all(await taken(superuser, field, stored))
        if field.column not in LOOSER:
            passed = [text for text, through in zip(texts, let_through, strict=True) if through]
            assert [text for text in passed if read(field, text) not in {text, None}] == []


class TestTheApi:
    @settings(quickly, max_examples=25)
    @given(values=EVERYTHING)
    async def test_stores_what_it_shows_and_nothing_of_what_it_refuses(self, profile_app, superuser, values):
        """Never a 500: what is refused is left out, and then the rest is taken."""
        ada = new_id()
        async with profile_app.client(ada) as client:
            kept: dict[str, Any] = dict(values)
            for _ in range(3):
                answer = await client.patch("/me", json=document(kept))
                if answer.status_code == 200:
                    break
                assert answer.status_code == 422, answer.text
                assert (
                    await superuser.fetchval("select count(*) from profile.profiles where user_id = $1", ada)
                    == 0
                )
                for fault in answer.json()["errors"]:
                    column = fault["pointer"].strip("/").replace("/", "_")
                    kept[column] = "Annabella" if column == "emergency_contact_name" else None
            again = await client.put("/me", json=answer.json(), headers={"If-Match": "*"})
        row = await superuser.fetchrow("select * from profile.profiles where user_id = $1", ada)

        assert answer.status_code == again.status_code == 200
        assert again.headers["ETag"] == answer.headers["ETag"]
        assert flat(answer.json()) == {column: shown(row[column]) for column in BY_COLUMN}
        assert {column for column, value in kept.items() if value is not None} == {
            column for column in BY_COLUMN if row[column] is not None
        }


class TestAConstraint:
    @pytest.mark.parametrize("name", CONSTRAINTS.by_name)
    async def test_can_be_run_into_and_names_the_field(self, profile_app, name):
        ada = new_id()
        async with profile_app.client(ada) as client:
            await client.patch("/me", json={"pronouns": "she"})

        async def break_it(tx: Transaction) -> None:
            present = await lock_profile(tx, user_id=ada)
            assert present is not None
            await change_profile(tx, replace(present, values={**NOTHING, **BAD[name]}), now=NOW)

        with pytest.raises(QuartetError) as caught:
            await profile_app.worker.in_transaction(ada, break_it)

        meant = CONSTRAINTS.by_name[name]
        assert (caught.value.code, caught.value.faults[0].pointer) == (meant.code, meant.pointer)

    def test_has_a_code_of_its_own(self):
        codes = [constraint.code for constraint in CONSTRAINTS.by_name.values()]

        assert len(set(codes)) == len(codes)
