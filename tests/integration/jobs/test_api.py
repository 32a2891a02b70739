import asyncio
import json
from datetime import UTC, datetime

import httpx
import pytest

from common.http.app import create_app
from common.http.connections import PEER
from common.ids import new_id
from common.jobs import JobKind, enqueue
from common.jobs.api import router
from common.postgres.context import Context
from common.postgres.engine import driver_of
from tests.support.waiting import eventually

_WAITS_FOR_ANOTHER = """
    select exists (select from pg_locks where not granted and locktype = 'transactionid'
                   and database is null and pid in (select pid from pg_stat_activity
                                                    where datname = current_database()))
"""
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.fixture
def call(database):
    """Calls the worker's internal port as the holder of a certificate."""
    app = create_app(title="worker", service="auth", root_routers=[router])
    app.state.database = database
    app.state.clock = lambda: NOW

    def by(name):
        async def with_peer(scope, receive, send):
            await app(scope | {PEER: name}, receive, send)

        return httpx.AsyncClient(transport=httpx.ASGITransport(app=with_peer), base_url="https://worker")

    return by


@pytest.fixture
def operator(call):
    return call("operator")


async def audited(superuser):
    rows = await superuser.fetch("select actor, action, user_id, data, at from auth.audit_log")
    return [(row["actor"], row["action"], row["user_id"], json.loads(row["data"]), row["at"]) for row in rows]


class TestJobsApi:
    @pytest.mark.parametrize(("name", "status"), [("auth", 403), ("gateway", 403), (None, 401)])
    async def test_answers_the_operator_alone(self, call, jobs, name, status):
        job_id = await jobs.make()
        async with call(name) as client:
            answers = [
                await client.get("/internal/v1/jobs"),
                await client.get(f"/internal/v1/jobs/{job_id}"),
                await client.post(f"/internal/v1/jobs/{job_id}/cancel"),
                await client.post(f"/internal/v1/jobs/{job_id}/retry"),
            ]

        assert {answer.status_code for answer in answers} == {status}

    async def test_lists_the_newest_first_page_by_page(self, operator, jobs):
        ids = [str(await jobs.make()) for _ in range(3)]
        async with operator as client:
            first = (await client.get("/internal/v1/jobs", params={"limit": 2})).json()
            second = (
                await client.get("/internal/v1/jobs", params={"limit": 2, "cursor": first["next_cursor"]})
            ).json()

        assert [item["id"] for item in first["items"] + second["items"]] == ids[::-1]
        assert second["next_cursor"] is None

    async def test_lists_those_of_a_kind_a_state_and_a_user(self, operator, jobs, user_id):
        wanted = await jobs.make("mail", user_id=user_id)
        await jobs.make("mail", user_id=new_id())
        await jobs.make("sync", user_id=user_id)
        asked = {"kind": "mail", "state": "queued", "user_id": str(user_id)}
        async with operator as client:
            found = (await client.get("/internal/v1/jobs", params=asked)).json()

        assert [item["id"] for item in found["items"]] == [str(wanted)]

    async def test_shows_all_of_a_job(self, operator, jobs, user_id):
        job_id = await jobs.make("mail", user_id=user_id, arguments={"mail_id": "m1"}, max_attempts=3)
        async with operator as client:
            shown = (await client.get(f"/internal/v1/jobs/{job_id}")).json()

        assert shown["kind"] == "mail"
        assert shown["arguments"] == {"mail_id": "m1"}
        assert (shown["state"], shown["attempts"], shown["max_attempts"]) == ("queued", 0, 3)

    async def test_knows_no_job_that_is_not_there(self, operator):
        async with operator as client:
            answer = await client.get(f"/internal/v1/jobs/{new_id()}")

        assert (answer.status_code, answer.json()["code"]) == (404, "job.unknown")

    async def test_cancelling_is_asked_for_and_audited(self, operator, jobs, superuser, user_id):
        job_id = await jobs.make("mail", user_id=user_id)
        async with operator as client:
            answer = await client.post(f"/internal/v1/jobs/{job_id}/cancel")

        assert answer.status_code == 200
        assert (await jobs.row(job_id))["cancel_requested_at"] is not None
        data = {"job_id": str(job_id), "kind": "mail"}
        assert await audited(superuser) == [("operator", "job.cancelled", user_id, data, NOW)]

    async def test_a_failed_job_is_queued_again_and_audited(self, operator, jobs, start, superuser, work):
        work.result = object()
        work.may_end.set()
        job_id = await jobs.make("mail")
        running = start(JobKind("mail", work))
        await jobs.ended(job_id, "failed")
        await running.stop()

        async with operator as client:
            answer = await client.post(f"/internal/v1/jobs/{job_id}/retry")

        assert answer.json()["state"] == "queued"
        row = await jobs.row(job_id)
        assert (row["attempts"], row["finished_at"]) == (0, None)
        assert [entry[1] for entry in await audited(superuser)] == ["job.retried"]

    @pytest.mark.parametrize(("verb", "code"), [("cancel", "job.finished"), ("retry", "job.not_failed")])
    async def test_a_job_that_has_succeeded_stays_so(
        self, operator, jobs, start, superuser, work, verb, code
    ):
        work.may_end.set()
        job_id = await jobs.make("mail")
        start(JobKind("mail", work))
        await jobs.ended(job_id, "succeeded")

        async with operator as client:
            answer = await client.post(f"/internal/v1/jobs/{job_id}/{verb}")

        assert (answer.status_code, answer.json()["code"]) == (409, code)
        assert await audited(superuser) == []

    async def test_a_failed_job_waits_for_the_one_that_took_its_place(self, operator, jobs, start, work):
        work.result = object()
        work.may_end.set()
        failed = await jobs.make("mail", dedupe_key="m1")
        running = start(JobKind("mail", work))
        await jobs.ended(failed, "failed")
        await running.stop()
        await jobs.make("mail", dedupe_key="m1")

        async with operator as client:
            answer = await client.post(f"/internal/v1/jobs/{failed}/retry")

        assert (answer.status_code, answer.json()["code"]) == (409, "job.replaced")

    async def test_a_retry_that_meets_the_making_of_another_says_so_too(
        self, operator, database, jobs, start, superuser, work
    ):
        work.result = object()
        work.may_end.set()
        failed = await jobs.make("mail", dedupe_key="m1")
        running = start(JobKind("mail", work))
        await jobs.ended(failed, "failed")
        await running.stop()

        async with operator as client:
            async with database.transaction(as_user=Context.SYSTEM) as tx:
                await enqueue(tx, "mail", dedupe_key="m1", user_id=None, arguments={})
                await driver_of(tx).ask()
                retrying = asyncio.create_task(client.post(f"/internal/v1/jobs/{failed}/retry"))
                await eventually(lambda: superuser.fetchval(_WAITS_FOR_ANOTHER))
            answer = await retrying

        assert (answer.status_code, answer.json()["code"]) == (409, "job.replaced")
        assert await jobs.state(failed) == "failed"
        assert await audited(superuser) == []
