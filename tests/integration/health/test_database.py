import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import asyncpg
import pytest

from common.health.checks import Check, Checks, Severity
from common.health.database import database_check, pool_check, probe_database, schema_check
from common.health.heartbeats import worker_check
from common.health.reading import Probe
from common.ids import new_id
from common.postgres.engine import AsUser, Database
from common.postgres.trip import Step
from common.settings import DatabaseSettings
from tests.support.installation import Installation
from tests.support.waiting import eventually


@pytest.fixture
def settings(installation: Installation, superuser: asyncpg.Connection) -> DatabaseSettings:
    return installation.database_settings("profile", "api").model_copy(update={"pool_size": 1})


@pytest.fixture
async def probe(settings: DatabaseSettings) -> AsyncIterator[Probe]:
    opened = probe_database(settings, service="profile", process="api")
    yield opened
    await opened.close()


class Counting(Database):
    begun = 0

    async def begin(self, as_user: AsUser, first: Sequence[Step] = ()) -> Any:
        self.begun += 1
        return await super().begin(as_user, first)


class TestReadiness:
    async def test_costs_one_transaction_however_many_checks_ask(self, settings: DatabaseSettings):
        database = Counting(settings, service="profile", application_name="profile-api")
        probe = Probe(database)
        checks = Checks((database_check(probe), schema_check(probe, head=""), worker_check(probe)))

        await asyncio.gather(checks.report(), checks.report())

        assert database.begun == 1
        await probe.close()

    async def test_asks_through_an_alias_of_its_own(self, settings: DatabaseSettings):
        assert settings.probe_url is not None
        assert settings.probe_url.get_secret_value().partition("?")[0].endswith("profile_probe")

    async def test_does_not_end_with_a_full_pool(self, settings: DatabaseSettings, probe: Probe):
        database = Database(settings, service="profile", application_name="profile-api")
        async with database.transaction(as_user=new_id()):
            await eventually(lambda: is_well(database_check(probe)))

            assert (await pool_check(database, size=1).result()).detail == "0 idle of 1"
        await database.close()

    async def test_ends_when_the_database_refuses(self, settings: DatabaseSettings):
        url = (
            settings.url.get_secret_value()
            .replace("127.0.0.1", "127.0.0.2")
            .replace("localhost", "127.0.0.2")
        )
        nowhere = probe_database(
            settings.model_copy(update={"probe_url": type(settings.url)(url)}),
            service="profile",
            process="api",
        )

        result = await database_check(nowhere).result()

        assert not result.healthy
        assert "127.0.0" not in result.detail
        await nowhere.close()


class TestTheSchema:
    @pytest.mark.parametrize("head", ["profile_0003", "profile_0002"], ids=["as the code", "newer"])
    async def test_as_new_as_the_code_is_well(self, probe: Probe, head: str):
        assert await eventually(lambda: is_well(schema_check(probe, head=head)))

    async def test_older_than_the_code_is_not(self, probe: Probe):
        await eventually(lambda: is_well(database_check(probe)))
        result = await schema_check(probe, head="profile_9999").result()

        assert not result.healthy
        assert result.detail.endswith("expected profile_9999")


class TestThePool:
    async def test_is_degraded_while_somebody_waits(self, settings: DatabaseSettings):
        database = Database(settings, service="profile", application_name="profile-api")

        async def use() -> None:
            async with database.transaction(as_user=new_id()):
                pass

        async with database.transaction(as_user=new_id()):
            waiting = asyncio.create_task(use())
            await eventually(lambda: database.pool.waiting == 1)
            result = await pool_check(database, size=1).result()

        await waiting
        await database.close()
        assert (result.healthy, result.severity) == (False, Severity.DEGRADING)
        assert result.detail == "all 1 connections are in use, 1 wait"


async def is_well(check: Check) -> bool:
    """Connecting for the first time may take longer than a probe waits."""
    return (await check.result()).healthy
