import asyncio
import json
from datetime import timedelta
from uuid import UUID

import asyncpg
import pytest

from auth_service.housekeeping import auth_tasks
from auth_service.settings import AuthWorkerSettings
from auth_service.usecases.clean_up import BACKLOG, CLEAN_UP, DELETED, CleanUp, ask_for_clean_up
from common.housekeeping import Housekeeping
from common.ids import new_id
from common.jobs import Runner
from common.postgres.context import Context
from common.settings_errors import load
from tests.support.accounts import add_user
from tests.support.waiting import eventually

KEPT = timedelta(days=7)

_SESSION = """
    insert into auth.authentication_sessions
        (id, user_id, expires_at, ends_at, amr, auth_time, is_active, revoked_at)
    values ($1, $2, now() + $3, now() + $3, '{pwd}', now(), $4, now() + $5)
"""
_LINK = """
    insert into auth.mail_links (id, user_id, purpose, expires_at, used_at)
    values ($1, $2, 'reset_password', now() + $3, now() + $4)
"""
_REGISTRATION = """
    insert into auth.registrations (user_id, password_tag, expires_at) values ($1, $2, now() + $3)
"""
_ATTEMPTS = """
    insert into auth.login_attempts (who, failures, failed_at, locked_until)
    values ($1, 3, now() + $2, now() + $3)
"""
_KEY = """
    insert into auth.signing_keys (kid, public_jwk, private_sealed, state, changed_at)
    values ($1, '{}', $2, $3, now() + $4)
"""


def ago(**span: float) -> timedelta:
    return -timedelta(**span)


class Rows:
    """Each kind of row that may be past its time, in each state that it may be in."""

    def __init__(self, superuser: asyncpg.Connection, user_id: UUID) -> None:
        self._superuser = superuser
        self._user_id = user_id

    async def session(self, *, expires: timedelta, ended: timedelta | None = None) -> UUID:
        row = new_id()
        await self._superuser.execute(_SESSION, row, self._user_id, expires, ended is None, ended)
        return row

    async def link(self, *, expires: timedelta, used: timedelta | None = None) -> UUID:
        row = new_id()
        await self._superuser.execute(_LINK, row, self._user_id, expires, used)
        return row

    async def registration(self, *, expires: timedelta) -> bytes:
        row = new_id().bytes[-2:]
        await self._superuser.execute(_REGISTRATION, self._user_id, row, expires)
        return row

    async def attempts(self, *, failed: timedelta, locked: timedelta | None = None) -> bytes:
        row = new_id().bytes
        await self._superuser.execute(_ATTEMPTS, row, failed, locked)
        return row

    async def key(self, state: str, *, changed: timedelta) -> str:
        row = new_id().hex
        sealed = None if state == "retired" else b"x"
        await self._superuser.execute(_KEY, row, sealed, state, changed)
        return row

    async def left(self, table: str, key: str = "id") -> set[object]:
        return {row[key] for row in await self._superuser.fetch(f"select {key} from auth.{table}")}


@pytest.fixture
def worker(databases):
    return databases("auth", "worker")


@pytest.fixture
async def rows(superuser) -> Rows:
    return Rows(superuser, await add_user(superuser))


@pytest.fixture
def clean_up(worker, superuser):
    """Asks for it, lets it run and gives back its job."""

    async def clean_up(**options: object) -> asyncpg.Record:
        stop = asyncio.Event()
        runner = Runner(worker, [CleanUp(worker, kept=KEPT, **options).kind()], poll_seconds=0.05)
        async with worker.transaction(as_user=Context.SYSTEM) as tx:
            await ask_for_clean_up(tx)
        running = asyncio.create_task(runner.run(stop))

        async def ended() -> asyncpg.Record | None:
            return await superuser.fetchrow(
                "select * from auth.jobs where finished_at is not null order by id desc"
            )

        job = await eventually(ended, within=30)
        stop.set()
        await running
        assert job["state"] == "succeeded", job["error"]
        await superuser.execute("delete from auth.jobs")
        return job

    return clean_up


class TestCleanUp:
    async def test_deletes_sessions_that_are_over_and_no_others(self, rows, clean_up):
        dead = {
            await rows.session(expires=ago(days=8)),
            await rows.session(expires=timedelta(days=20), ended=ago(days=8)),
            await rows.session(expires=ago(days=10), ended=ago(days=20)),
        }
        live = {
            await rows.session(expires=timedelta(days=1)),
            await rows.session(expires=ago(days=6)),
            await rows.session(expires=timedelta(days=20), ended=ago(days=6)),
        }
        assert await rows.left("authentication_sessions") == dead | live

        await clean_up()

        assert await rows.left("authentication_sessions") == live

    async def test_deletes_links_of_mails_that_nobody_can_use(self, rows, clean_up):
        await rows.link(expires=ago(days=8))
        await rows.link(expires=ago(days=8), used=ago(days=9))
        live = {
            await rows.link(expires=timedelta(hours=1)),
            await rows.link(expires=timedelta(hours=1), used=ago(minutes=1)),
            await rows.link(expires=ago(days=6)),
        }

        await clean_up()

        assert await rows.left("mail_links") == live

    async def test_deletes_tags_of_registrations_with_their_day(self, rows, clean_up):
        await rows.registration(expires=ago(minutes=1))
        live = {await rows.registration(expires=timedelta(minutes=1))}

        await clean_up()

        assert await rows.left("registrations", "password_tag") == live

    async def test_deletes_attempts_to_log_in_that_count_no_more(self, rows, clean_up):
        await rows.attempts(failed=ago(days=2))
        await rows.attempts(failed=ago(days=2), locked=ago(days=1))
        live = {
            await rows.attempts(failed=ago(hours=23)),
            await rows.attempts(failed=ago(days=2), locked=timedelta(minutes=1)),
        }

        await clean_up()

        assert await rows.left("login_attempts", "who") == live

    async def test_deletes_keys_that_were_retired_a_year_ago(self, rows, clean_up):
        await rows.key("retired", changed=ago(days=366))
        live = {
            await rows.key("retired", changed=ago(days=364)),
            await rows.key("retiring", changed=ago(days=366)),
            await rows.key("active", changed=ago(days=366)),
        }

        await clean_up()

        assert await rows.left("signing_keys", "kid") == live

    async def test_goes_on_until_everything_is_done_and_counts_it(self, rows, clean_up):
        for _ in range(7):
            await rows.session(expires=ago(days=8))
            await rows.link(expires=ago(days=8))
        before = DELETED.labels("mail_links")._value.get()

        job = await clean_up(batch=3)

        assert json.loads(job["result"]) == {
            "deleted": {
                "authentication_sessions": 7,
                "mail_links": 7,
                "registrations": 0,
                "login_attempts": 0,
                "signing_keys": 0,
                "erasures": 0,
                "farewells": 0,
            },
            "finished": True,
        }
        assert json.loads(job["progress"])["done"] == 14
        assert DELETED.labels("mail_links")._value.get() - before == 7

    async def test_ends_in_time_and_leaves_the_rest_to_the_next(self, rows, clean_up):
        for _ in range(5):
            await rows.link(expires=ago(days=8))

        first = await clean_up(batch=2, budget_seconds=0)
        told = BACKLOG.labels("mail_links")._value.get()
        await clean_up(batch=2)

        assert (json.loads(first["result"])["finished"], told) == (False, 5)
        assert await rows.left("mail_links") == set()
        assert BACKLOG.labels("mail_links")._value.get() == 0

    async def test_again_does_nothing(self, rows, clean_up):
        await rows.session(expires=ago(days=8))
        await clean_up()

        job = await clean_up()

        assert sum(json.loads(job["result"])["deleted"].values()) == 0

    async def test_waits_for_nobody_who_holds_a_row(self, rows, clean_up, installation):
        held, free = await rows.session(expires=ago(days=8)), await rows.session(expires=ago(days=8))
        other = await asyncpg.connect(installation.superuser_url())
        try:
            async with other.transaction():
                await other.execute("select from auth.authentication_sessions where id = $1 for update", held)
                await clean_up()
                assert await rows.left("authentication_sessions") == {held}
        finally:
            await other.close()

        await clean_up()

        assert await rows.left("authentication_sessions") & {held, free} == set()

    async def test_rests_four_times_as_long_as_it_worked(self, rows, clean_up):
        clock, rests = iter(range(1000)), []

        async def rest(seconds: float) -> None:
            rests.append(seconds)

        await clean_up(seconds=lambda: float(next(clock)), pause=rest)

        assert rests == [4.0] * 8


class TestHousekeeping:
    async def test_asks_for_one_however_often_it_comes(self, installation, worker, superuser):
        with pytest.MonkeyPatch.context() as patch:
            for name, value in installation.environment("auth", "worker").items():
                patch.setenv(name, value)
            tasks = auth_tasks(load(AuthWorkerSettings))
        for _ in range(3):
            await Housekeeping(worker, tasks).once()

        assert await superuser.fetchval("select count(*) from auth.jobs where kind = $1", CLEAN_UP) == 1
