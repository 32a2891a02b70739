import pytest
from redis.exceptions import NoPermissionError, ResponseError

from common.contracts.topics import SERVICES

PAIRS = [(user, owner) for user in SERVICES for owner in SERVICES if user != owner]

pairs = pytest.mark.parametrize(("user", "owner"), PAIRS)


class TestRedisUser:
    @pairs
    async def test_touches_no_key_of_another_service(self, installation, redis_clients, user, owner):
        key = f"{installation.redis_settings(owner).prefix}key"
        await redis_clients(owner).set(key, "value")
        stranger = redis_clients(user)

        for attempt in (stranger.get(key), stranger.set(key, "mine"), stranger.delete(key)):
            with pytest.raises(NoPermissionError):
                await attempt
        assert await redis_clients(owner).get(key) == "value"

    @pairs
    async def test_touches_none_from_inside_a_script(self, installation, redis_clients, user, owner):
        key = f"{installation.redis_settings(owner).prefix}key"
        stranger = redis_clients(user)

        with pytest.raises(NoPermissionError):
            await stranger.eval("return redis.call('GET', KEYS[1])", 1, key)
        with pytest.raises(ResponseError, match="can't access at least one of the keys"):
            await stranger.eval("return redis.call('GET', ARGV[1])", 0, key)

    @pairs
    async def test_neither_wakes_nor_overhears_another_service(
        self, installation, redis_clients, user, owner
    ):
        channel = f"{installation.redis_settings(owner).prefix}outbox"
        stranger = redis_clients(user)

        with pytest.raises(NoPermissionError):
            await stranger.publish(channel, "")
        async with stranger.pubsub() as listening:
            await listening.subscribe(channel)
            with pytest.raises(NoPermissionError):
                await listening.parse_response()

    @pytest.mark.parametrize("user", SERVICES)
    async def test_is_no_operator(self, redis_clients, user):
        client = redis_clients(user)

        for command in ("FLUSHDB", "FLUSHALL", "KEYS *", "CONFIG GET *", "ACL LIST", "MONITOR", "SHUTDOWN"):
            with pytest.raises(NoPermissionError):
                await client.execute_command(*command.split())

    async def test_has_a_name_and_a_password(self, installation):
        from redis.asyncio import Redis
        from redis.exceptions import AuthenticationError

        url = f"rediss://127.0.0.1:{installation.stack.ports['redis']}/0"
        async with Redis.from_url(url, ssl_ca_certs=str(installation.stack.ca_file)) as nobody:
            with pytest.raises(AuthenticationError):
                await nobody.ping()
