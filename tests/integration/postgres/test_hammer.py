"""Two users' rows never meet, whatever happens to the transactions on the one connection that they share."""

import asyncio
import random
from collections import Counter
from contextlib import suppress

import asyncpg
import pytest
import sqlalchemy as sa

from common.errors import QuartetError
from common.ids import new_id
from common.postgres.context import Context
from tests.integration.postgres.rows import owners_seen, write
from tests.support.campaign import chosen_seed
from tests.support.interrupting import CancelledAt
from tests.support.waiting import eventually

SEED = chosen_seed()
ROUNDS = 250


class Hammer:
    def __init__(self, database, proxy) -> None:
        self.database = database
        self.proxy = proxy
        self.seen: Counter[str] = Counter()

    async def look(self, user) -> None:
        async with self.database.transaction(as_user=user) as tx:
            self._judge(user, await owners_seen(tx))

    async def look_bare(self, user) -> None:
        async with self.database.read_transaction(as_user=user) as connection:
            rows = await connection.fetch("SELECT user_id FROM audit_log")
            self._judge(user, [row["user_id"] for row in rows])

    async def fail(self, user) -> None:
        with suppress(LookupError):
            async with self.database.transaction(as_user=user) as tx:
                await write(tx, user, "to be rolled back")
                raise LookupError

    async def break_a_statement(self, user) -> None:
        with suppress(sa.exc.DBAPIError, QuartetError):
            async with self.database.transaction(as_user=user) as tx:
                await tx.execute(sa.text("SELECT 1 / 0"))

    async def swallow_a_broken_statement(self, user) -> None:
        with suppress(QuartetError):
            async with self.database.transaction(as_user=user) as tx:
                with suppress(sa.exc.DBAPIError):
                    await tx.execute(sa.text("SELECT 1 / 0"))

    async def lose_a_commit(self, user) -> None:
        with suppress(QuartetError):
            async with self.database.transaction(as_user=user) as tx:
                await write(tx, user, "to be rolled back")
                self.proxy.doom()

    async def lose_a_commit_s_answer(self, user) -> None:
        with suppress(QuartetError):
            async with self.database.transaction(as_user=user) as tx:
                await write(tx, user, "nobody was told")
                self.proxy.doom(answers_only=True)

    async def ask_for_a_refused_role(self, _user) -> None:
        with suppress(QuartetError), pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with self.database.transaction(as_user=Context.SYSTEM):
                pass

    def _judge(self, user, rows) -> None:
        self.seen["right" if set(rows) == {user} else "wrong"] += 1


class TestOneConnectionOfManyUsers:
    async def test_shows_nobody_another_s_rows(self, proxy, through, superuser):
        random_choice = random.Random(SEED)
        users = [new_id() for _ in range(6)]
        database = through(proxy.port, "api", pool_wait_seconds=60.0)
        for user in users:
            async with database.transaction(as_user=user) as tx:
                await write(tx, user)
        hammer = Hammer(database, proxy)
        works = [
            *[hammer.look] * 4,
            *[hammer.look_bare] * 4,
            *(hammer.fail, hammer.break_a_statement, hammer.swallow_a_broken_statement),
            *(hammer.lose_a_commit, hammer.lose_a_commit_s_answer, hammer.ask_for_a_refused_role),
        ]

        async def one(work, user, step) -> None:
            await CancelledAt(work(user), step).run()

        async with asyncio.TaskGroup() as group:
            for _ in range(ROUNDS):
                # 0 is never reached: half of them are left alone
                step = random_choice.choice([0, 0, 0, 1, 2, 3, 4, 5])
                group.create_task(one(random_choice.choice(works), random_choice.choice(users), step))

        assert hammer.seen["wrong"] == 0, f"seed {SEED}: {hammer.seen}"
        assert hammer.seen["right"] > ROUNDS / 10
        await eventually(lambda: database.pool.checked_out == 0)
        by_action = dict(await superuser.fetch("select action, count(*) from auth.audit_log group by action"))
        assert by_action.keys() <= {"written", "nobody was told"}, f"seed {SEED}"
        assert by_action["written"] == len(users)
