"""A worker whose body makes its effect, reports, and hangs: the process that a test kills."""

import asyncio

import sqlalchemy as sa
from pydantic_settings import BaseSettings, SettingsConfigDict

from common.jobs import JobKind, Runner
from common.postgres.engine import Database
from common.settings import DatabaseSettings


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_nested_delimiter="_", env_nested_max_split=1, extra="ignore")

    database: DatabaseSettings


async def main() -> None:
    database = Database(Settings().database, service="auth", application_name="hanging-worker")

    async def body(job, control):
        effect = sa.text(
            "INSERT INTO audit_log (id, actor, action, user_id) VALUES (:id, 'job', 'effect', :user_id)"
        )
        async with database.transaction(as_user=job.as_user) as tx:
            await control.hold(tx)
            await tx.execute(effect, {"id": job.id, "user_id": job.user_id})
        await control.report(3, 4)
        await asyncio.Event().wait()

    await Runner(database, [JobKind("hangs", body)], poll_seconds=0.05).run(asyncio.Event())


if __name__ == "__main__":
    asyncio.run(main())
