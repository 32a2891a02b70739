import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from common.redis_client import open_redis
from tests.support.authority import Authority


class TestClientOfRedis:
    async def test_trusts_the_named_authority_and_none_of_the_system_s(
        self, installation, tmp_path, monkeypatch
    ):
        settings = installation.redis_settings("auth")
        monkeypatch.setenv("SSL_CERT_FILE", str(settings.ca_file))
        stranger = open_redis(settings.model_copy(update={"ca_file": Authority(tmp_path).ca_file}))
        known = open_redis(settings)

        with pytest.raises(RedisConnectionError, match="certificate verify failed"):
            await stranger.ping()
        assert await known.ping()
        await stranger.aclose()
        await known.aclose()
