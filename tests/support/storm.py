"""Requests by the hundred thousand, some of them cancelled wherever they happen to wait."""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from fastapi import APIRouter, FastAPI

from common.errors import Kind, QuartetError
from common.http.permissions import CurrentUser
from common.http.resources import UseDatabase
from common.http.transactions import OwnTransaction
from common.ids import new_id
from common.postgres.engine import Database
from common.telemetry.logging import ACCESS_LOG
from tests.support.interrupting import CancelledAt
from tests.support.little_app import call, little_app

_WRITE = sa.text("INSERT INTO audit_log (id, actor, action, user_id) VALUES (:id, 'storm', 'x', :user_id)")
_READ = "SELECT id FROM audit_log WHERE user_id = $1 ORDER BY id DESC LIMIT 1"

CANCELLED_OF_A_HUNDRED = 10

router = APIRouter()


@router.get("/reads")
async def get_reads(user: CurrentUser, database: UseDatabase) -> str:
    async with database.read_transaction(as_user=user.user_id) as connection:
        return str(await connection.fetchval(_READ, user.user_id))


@router.get("/writes")
async def get_writes(user: CurrentUser, tx: OwnTransaction) -> str:
    await tx.execute(_WRITE, {"id": new_id(), "user_id": user.user_id})
    return "written"


@router.get("/writes-in-vain")
async def get_writes_in_vain(user: CurrentUser, tx: OwnTransaction) -> str:
    await tx.execute(_WRITE, {"id": new_id(), "user_id": user.user_id})
    raise QuartetError("storm.refused", "No.", kind=Kind.CONFLICT)


@router.get("/writes-and-repeats")
async def get_writes_and_repeats(user: CurrentUser, database: UseDatabase) -> str:
    async def use_case(tx: sa.ext.asyncio.AsyncConnection) -> str:
        await tx.execute(_WRITE, {"id": new_id(), "user_id": user.user_id})
        return "written"

    return await database.in_transaction(user.user_id, use_case)


PATHS = ("/reads", "/reads", "/writes", "/writes-in-vain", "/writes-and-repeats")


class Storm:
    def __init__(self, database: Database, *, seed: int, users: int = 8) -> None:
        self.seed = seed
        self.ended: Counter[str] = Counter()
        self._dice = random.Random(seed)
        self._app: FastAPI = little_app(database, (router,))
        self._users: Sequence[UUID] = [new_id() for _ in range(users)]

    async def blow(self, requests: int, *, at_once: int = 12) -> None:
        left = iter(range(requests))
        logging, ACCESS_LOG.enabled = ACCESS_LOG.enabled, False

        async def caller() -> None:
            for _ in left:
                await self._one()

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(at_once):
                    group.create_task(caller())
        finally:
            ACCESS_LOG.enabled = logging

    async def _one(self) -> None:
        statuses: list[str] = []

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                statuses.append(str(message["status"]))

        request = call(self._app, self._dice.choice(PATHS), self._dice.choice(self._users), send)
        # 0 is never reached: it is left alone
        step = self._dice.randint(1, 6) if self._dice.randrange(100) < CANCELLED_OF_A_HUNDRED else 0
        was_cancelled = await CancelledAt(request, step).run()
        self.ended["cancelled" if was_cancelled else statuses[0]] += 1
