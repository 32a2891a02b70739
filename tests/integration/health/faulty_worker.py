"""Profile's worker as it is composed for production, with faults in it that a test calls forth by signals."""

import asyncio
import os
import signal
import threading
from collections.abc import Callable

from common.clock import Clock
from common.composition.foundation import Foundation
from common.composition.worker import Worker, run_worker
from common.contracts.auth import UserRegistered
from common.contracts.envelope import Event
from common.ids import NewId
from common.jobs import Control, Job, JobKind
from common.messaging.handlers import Handlers
from common.postgres.engine import Transaction
from common.settings import WorkerSettings
from profile_service.storage.tables import HEAD

HANGS = "hangs"
"""The name of a user whose registration is never handled to its end."""
STUBBORN = "stubborn"
"""A kind of job whose body swallows its cancellation."""
BLOCKED_SECONDS = 6.0
STUCK_SECONDS = 2.0


def handlers(new_id: NewId, clock: Clock) -> Handlers:
    async def user_registered(tx: Transaction, event: Event[UserRegistered]) -> None:
        if event.data.full_name == HANGS:
            await asyncio.Event().wait()

    made = Handlers("profile")
    made.each(UserRegistered, user_registered)
    return made


async def stubborn(job: Job, control: Control) -> None:
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            continue


def kill_the_consumer() -> None:
    (consumer,) = (task for task in asyncio.all_tasks() if task.get_name() == "consumer")
    consumer.cancel()


def block() -> None:
    threading.Event().wait(BLOCKED_SECONDS)


def job_kinds(base: Foundation, settings: WorkerSettings) -> tuple[JobKind, ...]:
    """Made at start, in the loop: where the faults are taken in, too."""
    loop = asyncio.get_running_loop()
    faults: dict[signal.Signals, Callable[[], None]] = {
        signal.SIGUSR1: kill_the_consumer,
        signal.SIGUSR2: block,
    }
    for number, fault in faults.items():
        loop.add_signal_handler(number, fault)
    return (JobKind(STUBBORN, stubborn),)


WORKER: Worker[WorkerSettings] = Worker(
    service="profile",
    head=HEAD,
    handlers=handlers,
    job_kinds=job_kinds,
    stuck_seconds=STUCK_SECONDS,
)

if __name__ == "__main__":
    os.environ.setdefault("ENVIRONMENT", "test")
    run_worker(WORKER, WorkerSettings)
