import pytest
from pydantic import ValidationError

from common.postgres.engine import Database
from common.settings import DatabaseSettings

URL = "postgresql://auth_api:pw@db.example/quartet"


def settings(**chosen: object) -> DatabaseSettings:
    return DatabaseSettings.model_validate({"url": URL} | chosen)


def pool_of(chosen: DatabaseSettings):
    return Database(chosen, service="auth", application_name="test").pool


class TestPoolSettings:
    def test_begin_with_ten_connections_and_fifteen_more_for_a_while(self):
        pool = pool_of(settings(pooler="none"))

        assert (pool.size, pool.capacity) == (10, 25)
        assert (pool._wait_seconds, pool._recycle_seconds) == (2.0, 1800.0)

    @pytest.mark.parametrize("pooler", ["session", "transaction"])
    def test_take_no_more_than_the_share_behind_a_pooler(self, pooler):
        pool = pool_of(settings(pooler=pooler, pool_size=6))

        assert (pool.size, pool.capacity) == (6, 6)

    def test_can_be_told_the_overflow(self):
        assert pool_of(settings(pooler="transaction", pool_size=6, pool_overflow=2)).capacity == 8
        assert pool_of(settings(pool_overflow=0)).capacity == 10

    @pytest.mark.parametrize("seconds", [0, 3.5])
    def test_let_nobody_wait_long(self, seconds):
        with pytest.raises(ValidationError, match="pool_wait_seconds"):
            settings(pool_wait_seconds=seconds)
