"""Runners that carry out jobs of some pages each: the real runner, every fault of a simulated world."""

import asyncio
from collections import Counter
from typing import Any
from uuid import UUID

from common.errors import QuartetError
from common.jobs import Backoff, JobKind, Runner
from common.postgres.context import Context
from tests.simulation.job_statements import CANCEL, EFFECT, JobRow, JobsTable, Rules
from tests.simulation.lock_scenario import new_id
from tests.simulation.network import Network
from tests.simulation.postgres import PostgresModel
from tests.simulation.world import Faults, Process, World

FAULTS = Faults(
    crashes=2,
    pauses=3,
    pause_seconds=8.0,
    lost_replies=0.02,
    until_seconds=8.0,
)
RUNNERS = 3
USERS = [UUID(int=number) for number in (101, 102)]
JOBS = [UUID(int=number) for number in range(1, 6)]
PAGES = 3
LEASE_SECONDS = 4.0
PER_USER = 2


class JobScenario:
    def __init__(self, rules: Rules | None = None) -> None:
        self._rules = rules or Rules()
        self.__name__ = "jobs"
        self.taken_over = 0
        self.cancelled = 0

    def __call__(self, world: World) -> None:
        model = PostgresModel(world, Network(world))
        table = JobsTable(model, self._rules)
        for number, job_id in enumerate(JOBS):
            table.committed[job_id] = JobRow(USERS[number % len(USERS)])
        for number in range(RUNNERS):
            self._start(world.process(f"runner-{number}"), model)
        operator = world.process("operator")
        if world.random.random() < 0.5:
            operator.start(lambda: self._cancel(operator, model))
        if world.random.random() < 0.3:
            world.plan(world.random.uniform(0, 4), model.restart)

        world.run(until=lambda: all(row.finished for row in table.committed.values()), seconds=240)

        pages: dict[UUID, Counter[int]] = {job_id: Counter() for job_id in JOBS}
        for job_id, page, _ in model.table("effects"):
            pages[job_id][page] += 1
        for job_id, row in table.committed.items():
            assert row.state in {"succeeded", "cancelled"}, f"a job has {row.state}"
            assert pages[job_id] == dict.fromkeys(range(row.done or 0), 1), f"pages: {pages[job_id]}"
            assert row.state == "cancelled" or row.done == PAGES, "a job ended before its end"
            self.cancelled += row.state == "cancelled"
        self.taken_over += table.taken_over

    def _start(self, process: Process, model: PostgresModel) -> None:
        # not inside another coroutine: what a crash closes must be the runner itself, which awaits at its end
        process.start(lambda: self._runner(process, model.database(process)).run(asyncio.Event()))

    def _runner(self, process: Process, database: Any) -> Runner:
        kind = JobKind(
            "pages",
            self._body(process, database),
            max_attempts=1000,
            per_user=PER_USER,
            lease_seconds=LEASE_SECONDS,
            cancel_grace_seconds=1.0,
            backoff=Backoff(first_seconds=0.1, longest_seconds=1.0),
        )
        return Runner(
            database,
            [kind],
            poll_seconds=0.5,
            beat_seconds=1.0,
            seconds=process.now,
            chance=process.random.random,
            new_id=lambda: new_id(process),
        )

    def _body(self, process: Process, database: Any) -> Any:
        async def body(job: Any, control: Any) -> None:
            for page in range(job.checkpoint.get("next", 0), PAGES):
                await asyncio.sleep(process.random.random() * 2)
                async with database.transaction(as_user=job.user_id) as tx:
                    await tx.execute(EFFECT, (job.id, page, new_id(process)))
                    await control.save(tx, page + 1, PAGES, checkpoint={"next": page + 1})
                control.check()

        return body

    async def _cancel(self, process: Process, model: PostgresModel) -> None:
        await asyncio.sleep(process.random.random() * 5)
        database: Any = model.database(process)
        try:
            async with database.transaction(as_user=Context.SYSTEM) as tx:
                await tx.execute(CANCEL, process.random.choice(JOBS))
        except QuartetError:
            return
