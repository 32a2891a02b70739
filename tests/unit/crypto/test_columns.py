"""Every column that holds sealed values is registered, so that a rotation of keys passes none by."""

import pytest
from sqlalchemy.dialects.postgresql import BYTEA

from tests.support.services import SCHEMAS


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=list(SCHEMAS))
class TestSealedColumns:
    def test_are_those_that_are_called_so(self, schema):
        named = {
            f"{table.name}.{column.name}"
            for table in schema.metadata.tables.values()
            for column in table.columns
            if isinstance(column.type, BYTEA) and column.name.endswith("_sealed")
        }

        assert {str(column) for column in schema.sealed} == named

    def test_name_a_row_by_its_primary_key(self, schema):
        for column in schema.sealed:
            [key] = schema.metadata.tables[column.table].primary_key.columns

            assert (column.row, column.row_type) == (key.name, str(key.type).lower())

    def test_may_be_sealed_anew_by_the_worker(self, schema):
        may_write = {table.name: table.system.update for table in schema.tables}

        for column in schema.sealed:
            assert {"*", column.column} & set(may_write[column.table])
