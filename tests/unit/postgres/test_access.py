import re

from common.postgres.access import access_hash, access_sql
from common.postgres.context import Context
from common.postgres.tables import ALL, Grants, Schema, TableAccess

NOTES = TableAccess("notes", "user", user=Grants(select=ALL, insert=("user_id", "text")))
RATES = TableAccess("rates", "shared", others={Context.SERVICE: Grants(select=("rate",))})


def lines(schema: Schema, table: str) -> list[str]:
    return [line for line in access_sql(schema).splitlines() if f" {schema.service}.{table} " in f"{line} "]


class TestAccess:
    def test_of_a_user_s_table_is_to_own_rows_by_column(self):
        found = lines(Schema("chat", (NOTES,)), "notes")

        own = "user_id = (select chat.app_uid())"
        assert "grant select, insert (user_id, text) on chat.notes to chat_user;" in found
        assert (
            f"create policy chat_user on chat.notes to chat_user using ({own}) with check ({own});" in found
        )

    def test_of_a_shared_table_is_reading(self):
        found = lines(Schema("chat", (RATES,)), "rates")

        assert "grant select on chat.rates to chat_shared;" in found
        assert "grant select (rate) on chat.rates to chat_service;" in found
        assert not any(line.endswith("to chat_user;") for line in found)

    def test_is_under_forced_row_level_security_for_every_table(self):
        schema = Schema("chat", (NOTES, RATES))

        for verb in ("enable", "force"):
            secured = re.findall(rf"alter table chat\.(\w+) {verb} row level security", access_sql(schema))
            assert secured == [table.name for table in schema.tables]

    def test_of_the_owner_hangs_on_a_setting(self):
        gate = "using (current_setting('app.owner_may', true) = 'yes')"

        assert any(
            line.startswith("create policy owner on chat.notes") and gate in line
            for line in lines(Schema("chat", (NOTES,)), "notes")
        )

    def test_to_a_common_table_can_be_said_anew_by_a_service(self):
        revokes = TableAccess(
            "revoked_sids", "shared", user=Grants(insert=("session_id", "revoked_at", "expires_at"))
        )

        found = lines(Schema("auth", (revokes,)), "revoked_sids")

        assert any(line.startswith("grant insert (session_id,") for line in found)
        assert len([line for line in found if "force row" in line]) == 1

    def test_to_the_outbox_is_writing_without_reading(self):
        [grant] = [
            line for line in lines(Schema("chat"), "outbox") if line.endswith("on chat.outbox to chat_user;")
        ]

        assert "select" not in grant
        assert "position" not in grant

    def test_has_a_hash_that_changes_with_it(self):
        assert access_hash(Schema("chat")) == access_hash(Schema("chat"))
        assert access_hash(Schema("chat")) != access_hash(Schema("chat", (NOTES,)))
