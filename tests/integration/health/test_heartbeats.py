from datetime import UTC, datetime, timedelta

import pytest

from common.health.heartbeats import Beat, Heartbeats, worker_check
from common.health.reading import Probe
from common.postgres.engine import Database
from tests.support.databases import Databases

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)


@pytest.fixture
def worker(databases: Databases) -> Database:
    return databases("chat", "worker")


@pytest.fixture
def api(databases: Databases) -> Probe:
    return Probe(databases("chat", "api"))


def beats(worker: Database, beat: Beat, *, process: str = "chat-worker-1", at: datetime = NOW) -> Heartbeats:
    return Heartbeats(worker, process=process, beat=lambda: beat, clock=lambda: at)


class TestAHeartbeat:
    async def test_is_read_by_the_api(self, worker: Database, api: Probe):
        await beats(worker, Beat(lag=7, kafka_seen_at=NOW)).write()

        (heartbeat,) = (await api.read()).heartbeats

        assert (heartbeat.process, heartbeat.at, heartbeat.lag) == ("chat-worker-1", NOW, 7)
        assert (await worker_check(api, clock=lambda: NOW).result()).detail == "lag 7"

    async def test_does_not_wait_for_kafka(self, worker: Database, api: Probe):
        await beats(worker, Beat()).write()

        assert len((await api.read()).heartbeats) == 1
        result = await worker_check(api, clock=lambda: NOW).result()
        assert (result.healthy, result.detail) == (False, "the worker does not see Kafka")

    async def test_keeps_when_kafka_was_last_seen(self, worker: Database, api: Probe):
        await beats(worker, Beat(lag=1, kafka_seen_at=NOW)).write()
        await beats(worker, Beat(lag=2), at=NOW + timedelta(seconds=5)).write()

        (heartbeat,) = (await api.read()).heartbeats

        assert (heartbeat.lag, heartbeat.kafka_seen_at) == (2, NOW)

    async def test_without_a_lag_is_not_told_as_no_lag(self, worker: Database, api: Probe):
        await beats(worker, Beat(lag=None, kafka_seen_at=NOW)).write()

        result = await worker_check(api, clock=lambda: NOW).result()

        assert (result.healthy, result.detail, result.data["lag"]) == (True, "the lag is not known", None)

    async def test_that_stays_away_is_noticed(self, worker: Database, api: Probe):
        await beats(worker, Beat(lag=0, kafka_seen_at=NOW)).write()
        assert (await api.read()).heartbeats

        result = await worker_check(api, clock=lambda: NOW + timedelta(seconds=21)).result()

        assert (result.healthy, result.detail) == (False, "no worker has been heard of lately")

    async def test_of_a_clock_that_was_set_back_since_does_not_hide_that_it_stays_away(
        self, worker: Database, api: Probe
    ):
        await beats(worker, Beat(lag=0, kafka_seen_at=NOW)).write()

        result = await worker_check(api, clock=lambda: NOW - timedelta(hours=1)).result()

        assert (result.healthy, result.detail) == (False, "no worker has been heard of lately")

    async def test_of_a_worker_long_gone_is_forgotten(self, worker: Database, api: Probe):
        await beats(worker, Beat(), process="chat-worker-old", at=NOW - timedelta(hours=2)).write()

        await beats(worker, Beat()).write()

        assert [heartbeat.process for heartbeat in (await api.read()).heartbeats] == ["chat-worker-1"]
