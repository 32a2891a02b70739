import asyncio

import pytest

from common.contracts.topics import SERVICES
from tests.support.catalogue import describe, left_over
from tests.support.databases import migrate, start_migration

each_service = pytest.mark.parametrize("service", SERVICES)


async def migrate_all(installation, database, services=SERVICES) -> list[str]:
    return await asyncio.gather(*(start_migration(installation, service, database) for service in services))


class TestMigrations:
    @each_service
    async def test_go_up_down_and_up_again(self, installation, bare, service):
        database = await bare.fetchval("select current_database()")
        before = await left_over(bare, service)

        migrate(installation, service, database)
        first = await describe(bare, service)
        migrate(installation, service, database, "downgrade", "base")
        below = await left_over(bare, service)
        migrate(installation, service, database)

        assert first
        assert below == before
        assert await describe(bare, service) == first

    @each_service
    async def test_have_nothing_to_do_a_second_time(self, installation, bare, service):
        database = await bare.fetchval("select current_database()")
        migrate(installation, service, database)

        assert migrate(installation, service, database, "--plan") == f"{service}: nothing to do\n"
        assert migrate(installation, service, database) == ""

    async def test_of_all_services_run_at_once(self, installation, bare):
        database = await bare.fetchval("select current_database()")

        outputs = await migrate_all(installation, database)

        assert all("grants and policies" in output for output in outputs)

    async def test_run_once_when_two_replicas_start_them(self, installation, bare):
        database = await bare.fetchval("select current_database()")

        outputs = await migrate_all(installation, database, services=("auth", "auth"))

        assert len([output for output in outputs if "grants and policies" in output]) == 1
