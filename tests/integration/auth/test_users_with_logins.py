import sqlalchemy as sa

from common.postgres.context import Context
from tests.support.accounts import add_user


class TestUsersWithLogins:
    async def test_are_a_user_and_their_logins_in_one_row(self, databases, superuser):
        user_id = await add_user(superuser, email="Ada@example.org")
        await superuser.execute("update auth.login_stats set login_count = 3")

        async with databases("auth", "api").transaction(as_user=Context.STAFF) as tx:
            rows = (await tx.execute(sa.text("SELECT * FROM users_with_logins"))).mappings().all()

        assert [(row["id"], row["email_norm"], row["login_count"]) for row in rows] == [
            (user_id, "ada@example.org", 3)
        ]
        assert "hashed_password" not in rows[0]

    async def test_are_shown_to_a_user_for_themselves_only(self, databases, superuser):
        ada = await add_user(superuser)
        await add_user(superuser)

        async with databases("auth", "api").transaction(as_user=ada) as tx:
            found = (await tx.execute(sa.text("SELECT id FROM users_with_logins"))).scalars().all()

        assert found == [ada]
