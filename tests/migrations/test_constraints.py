"""What each violated constraint means is said for every one of them."""

from importlib import import_module

import pytest

from common.contracts.topics import SERVICES
from common.postgres.constraints import name_at_parent
from tests.support.repository import SERVICE_PACKAGES
from tests.support.services import CONSTRAINTS

each_service = pytest.mark.parametrize("service", SERVICES)

_NAMES = """
select con.conname::text as name, con.contype in ('p', 'n') as needs_no_line
from pg_constraint con join pg_class c on c.oid = con.conrelid
where c.relnamespace = $1::text::regnamespace and not c.relispartition
union
select i.relname::text, x.indisprimary
from pg_index x join pg_class i on i.oid = x.indexrelid join pg_class c on c.oid = x.indrelid
where c.relnamespace = $1::text::regnamespace and x.indisunique and not c.relispartition
"""

_OF_PARTITIONS = """
select child.relname::text as partition, con.conname::text as name, parent.conname::text as at_parent
from pg_constraint con join pg_class child on child.oid = con.conrelid
join pg_constraint parent on parent.oid = con.conparentid
where child.relispartition and child.relnamespace = $1::text::regnamespace
"""


@each_service
class TestRegistryOfConstraints:
    async def test_says_of_every_constraint_what_its_violation_means(self, superuser, service):
        """A new one gets its line in the service's storage/constraints.py."""
        rows = await superuser.fetch(_NAMES, service)
        said = {*CONSTRAINTS[service].by_name, *CONSTRAINTS[service].bugs}

        assert {row["name"] for row in rows if not row["needs_no_line"]} - said == set()
        assert said - {row["name"] for row in rows} == set()

    def test_calls_none_both_a_caller_s_and_ours(self, service):
        assert CONSTRAINTS[service].by_name.keys() & CONSTRAINTS[service].bugs.keys() == set()

    async def test_knows_the_constraints_of_partitions_by_their_table_s(self, superuser, service):
        rows = await superuser.fetch(_OF_PARTITIONS, service)

        assert {name_at_parent(row["name"], row["partition"]) for row in rows} == {
            row["at_parent"] for row in rows
        }
        assert rows

    def test_is_what_both_processes_work_with(self, service):
        package = SERVICE_PACKAGES[service].name

        for process, name in (("app", "API"), ("worker", "WORKER")):
            declared = getattr(import_module(f"{package}.{process}"), name)
            assert declared.constraints is CONSTRAINTS[service]
