import asyncio
from datetime import datetime

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from common.clock import Clock
from common.messaging import kafka as names
from common.messaging.backoff import elapses
from common.settings import KafkaSettings

_EVERY_SECONDS = 5.0
_PATIENCE_SECONDS = 3.0


class Pulse:
    """When Kafka last answered; asked whether or not there is anything to send or to read."""

    def __init__(self, kafka: KafkaSettings, *, clock: Clock) -> None:
        self._kafka = kafka
        self._clock = clock
        self._client: AIOKafkaClient | None = None
        self.seen_at: datetime | None = None

    async def run(self, stop: asyncio.Event) -> None:
        try:
            while not stop.is_set():
                await self._ask()
                await elapses(_EVERY_SECONDS, unless=stop)
        finally:
            await self._hang_up()

    async def _ask(self) -> None:
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                client = await self._connected()
                await client.fetch_all_metadata()
        except (KafkaError, OSError, TimeoutError):
            await self._hang_up()
        else:
            self.seen_at = self._clock()

    async def _connected(self) -> AIOKafkaClient:
        if self._client is None:
            self._client = AIOKafkaClient(**names.connection(self._kafka))
            await self._client.bootstrap()
        return self._client

    async def _hang_up(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()
