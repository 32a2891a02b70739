"""The servers that integration tests run against, and this test worker's share of them."""

import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from common.contracts.topics import resource_prefix
from common.settings import DatabaseSettings, KafkaSettings, RedisSettings
from quartet_cli.stack import Stack
from tests.support.ports import free_port

HOW_TO_START = (
    "These tests need servers: run `./quartet test integration`, or start them by "
    "`python -m quartet_cli.testing up` and export QUARTET_STACK=$PWD/var/test/stack.json"
)

Process = Literal["api", "worker"]


def worker_name() -> str:
    """Of this xdist worker; by hand QUARTET_TEST_WORKER chooses one that nobody else runs on."""
    return os.environ.get("PYTEST_XDIST_WORKER") or os.environ.get("QUARTET_TEST_WORKER") or "gw0"


@dataclass(frozen=True)
class Installation:
    stack: Stack
    worker: str

    @property
    def kafka_prefix(self) -> str:
        return f"{self.worker}-"

    def environment(self, service: str, process: Process) -> dict[str, str]:
        """What a real process would be told, with this worker's database, Redis number and topics."""
        return self.stack.process_environment(service, process, self.worker)

    def database_settings(self, service: str, process: Process) -> DatabaseSettings:
        return DatabaseSettings.model_validate(self._group("DATABASE_", service, process))

    def redis_settings(self, service: str) -> RedisSettings:
        return RedisSettings.model_validate(self._group("REDIS_", service, "worker"))

    def kafka_settings(self, service: str) -> KafkaSettings:
        return KafkaSettings.model_validate(self._group("KAFKA_", service, "worker"))

    def superuser_url(self, database: str | None = None) -> str:
        return self.stack.postgres_url("postgres", database or self.worker)

    def resource_prefix(self, service: str) -> str:
        """How this worker's topics, groups and transactional ids of the service begin."""
        return resource_prefix(service, installation=self.kafka_prefix)

    def _group(self, prefix: str, service: str, process: Process) -> dict[str, str]:
        environment = self.environment(service, process)
        return {
            name.removeprefix(prefix).lower(): value
            for name, value in environment.items()
            if name.startswith(prefix)
        }


def load_stack() -> Stack:
    path = os.environ.get("QUARTET_STACK")
    if not path:
        pytest.fail(HOW_TO_START, pytrace=False)
    if not Path(path).exists():
        pytest.fail(f"QUARTET_STACK={path} is no file. {HOW_TO_START}", pytrace=False)
    return Stack.load(path)


@pytest.fixture(scope="session")
def installation() -> Iterator[Installation]:
    """This worker's share of the stack, kept from other runs for as long as this one lasts."""
    stack, worker = load_stack(), worker_name()
    if worker not in stack.workers:
        pytest.fail(
            f"the stack has no test worker {worker}; it has {', '.join(stack.workers)}", pytrace=False
        )
    with (stack.state / f"{worker}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pytest.fail(f"another run uses {worker}: set QUARTET_TEST_WORKER to another one", pytrace=False)
        yield Installation(stack, worker)


@pytest.fixture(name="free_port")
def one_free_port() -> int:
    return free_port()
