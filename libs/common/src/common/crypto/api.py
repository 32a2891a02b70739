"""Keys on the worker's internal port; only the operator's certificate may call. No value of a key is told."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated
from uuid import UUID

import sqlalchemy as sa
from fastapi import APIRouter, Body
from pydantic import BaseModel, ConfigDict

from common.crypto.rotation import ROTATION, UNSEALED, Sealing, count_rows
from common.http.internal import Operator
from common.http.resources import UseClock, UseDatabase
from common.ids import new_id
from common.jobs.enqueue import enqueue
from common.postgres.context import Context
from common.postgres.engine import Transaction

# The one that stands for ours may have ended since: then it is the latest.
_JOB = sa.text("""
    SELECT id FROM jobs WHERE kind = :kind ORDER BY finished_at IS NOT NULL, finished_at DESC LIMIT 1
""")
_AUDIT = sa.text("""
    INSERT INTO audit_log (id, at, actor, action, data)
    VALUES (:id, :at, :actor, :action, CAST(:data AS jsonb))
""")


class KeyOut(BaseModel):
    id: str
    """`?` stands for values that were never sealed."""
    active: bool
    known: bool
    """False for a key that rows need and the process was not given."""
    rows: dict[str, int]
    """By column."""


class KeysOut(BaseModel):
    items: list[KeyOut]


class RotateBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    dry_run: bool = False


class RotateOut(BaseModel):
    dry_run: bool
    rows: int
    """How many are sealed with another key than the active one."""
    job_id: UUID | None
    """The job that seals them anew; one that runs already is that one."""


def keys_router(sealing: Sealing) -> APIRouter:
    router = APIRouter(prefix="/internal/v1/keys", tags=["keys"])

    async def list_keys(_: Operator, database: UseDatabase) -> KeysOut:
        """Which keys there are, and how many rows are sealed with each."""
        counted = await count_rows(database, sealing.columns)
        ids = sorted({*sealing.cipher.key_ids, *counted.total})
        return KeysOut(items=[_key(one, sealing, counted.by_column) for one in ids])

    async def rotate(
        caller: Operator, database: UseDatabase, clock: UseClock, body: Annotated[RotateBody, Body()]
    ) -> RotateOut:
        """Seal anew, in the background, what is sealed with another key than the active one."""
        total = (await count_rows(database, sealing.columns)).total
        rows = sum(number for key_id, number in total.items() if key_id != sealing.cipher.active)
        if body.dry_run or rows == 0:
            return RotateOut(dry_run=body.dry_run, rows=rows, job_id=None)
        async with database.transaction(as_user=Context.SYSTEM) as tx:
            await enqueue(tx, ROTATION, dedupe_key="all", user_id=None, arguments={})
            job_id: UUID = (await tx.execute(_JOB, {"kind": ROTATION})).scalar_one()
            await _record(tx, actor=caller, at=clock(), job_id=job_id, active=sealing.cipher.active)
        return RotateOut(dry_run=False, rows=rows, job_id=job_id)

    router.add_api_route("", list_keys, methods=["GET"])
    router.add_api_route("/rotate", rotate, methods=["POST"])
    return router


def _key(key_id: str, sealing: Sealing, by_column: Mapping[str, Mapping[str, int]]) -> KeyOut:
    rows = {column: numbers[key_id] for column, numbers in by_column.items() if key_id in numbers}
    return KeyOut(
        id=key_id,
        active=key_id == sealing.cipher.active,
        known=key_id in sealing.cipher.key_ids and key_id != UNSEALED,
        rows=rows,
    )


async def _record(tx: Transaction, *, actor: str, at: datetime, job_id: UUID, active: str) -> None:
    data = json.dumps({"job_id": str(job_id), "active": active})
    await tx.execute(
        _AUDIT, {"id": new_id(), "at": at, "actor": actor, "action": "keys.rotation_asked", "data": data}
    )
