"""Jobs on the worker's internal port; only the operator's certificate may call."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from common.http.internal import Operator
from common.http.resources import UseClock, UseDatabase
from common.ids import new_id
from common.jobs.administration import By, StoredJob, cancel_job, list_jobs, retry_job, show_job
from common.postgres.context import Context

router = APIRouter(prefix="/internal/v1/jobs", tags=["jobs"])

State = Literal["queued", "running", "succeeded", "failed", "cancelled"]


class Filter(BaseModel):
    kind: str | None = None
    state: State | None = None
    user_id: UUID | None = None
    cursor: UUID | None = None
    limit: int = Field(default=50, ge=1, le=200)


class JobPage(BaseModel):
    items: list[StoredJob]
    next_cursor: UUID | None


@router.get("")
async def list_(_caller: Operator, database: UseDatabase, wanted: Annotated[Filter, Query()]) -> JobPage:
    """The newest first."""
    async with database.transaction(as_user=Context.SYSTEM) as tx:
        items = await list_jobs(
            tx,
            kind=wanted.kind,
            state=wanted.state,
            user_id=wanted.user_id,
            before=wanted.cursor,
            limit=wanted.limit,
        )
    return JobPage(items=items, next_cursor=items[-1].id if len(items) == wanted.limit else None)


@router.get("/{job_id}")
async def show(_caller: Operator, database: UseDatabase, job_id: UUID) -> StoredJob:
    async with database.transaction(as_user=Context.SYSTEM) as tx:
        return await show_job(tx, job_id)


@router.post("/{job_id}/cancel")
async def cancel(caller: Operator, database: UseDatabase, clock: UseClock, job_id: UUID) -> StoredJob:
    """Asks for the job to stop; the answer shows it as it is now."""
    async with database.transaction(as_user=Context.SYSTEM) as tx:
        await cancel_job(tx, job_id, by=By(caller, clock(), new_id))
        return await show_job(tx, job_id)


@router.post("/{job_id}/retry")
async def retry(caller: Operator, database: UseDatabase, clock: UseClock, job_id: UUID) -> StoredJob:
    """Queues a failed or cancelled job again."""
    async with database.transaction(as_user=Context.SYSTEM) as tx:
        await retry_job(tx, job_id, by=By(caller, clock(), new_id))
        return await show_job(tx, job_id)
