"""How an export leaves the house, and when it is gone."""

import zlib
from datetime import timedelta

import pytest

from auth_service.storage.tables import SCHEMA
from auth_service.usecases.export_files import ExportFiles
from auth_service.usecases.remove_exports import ask_to_remove_expired
from common.clock import utc_now
from common.crypto import Cipher
from common.crypto.rotation import Sealing, rotation_kind
from common.jobs import Control
from common.postgres.context import Context
from tests.support.erasing import ADA
from tests.support.exporting import contents


@pytest.fixture
async def ready(client, exporting) -> str:
    """Where the export is that has been made for ada."""
    where = f"/me/exports/{(await client.post('/me/exports')).json()['id']}"
    await exporting.works_until_done()
    return where


class TestFetching:
    async def test_gives_a_zip_to_save_and_to_keep_nowhere_else(self, client, ready):
        file = await client.get(f"{ready}/file")

        assert file.headers["Content-Type"] == "application/zip"
        assert file.headers["Cache-Control"] == "no-store"
        assert file.headers["X-Content-Type-Options"] == "nosniff"
        assert file.headers["Content-Disposition"] == (
            f'attachment; filename="quartet-export-{utc_now():%Y-%m-%d}.zip"'
        )
        assert len(contents(file)) == 5

    async def test_is_written_down_each_time(self, client, ready, exporting, ada):
        for _ in range(2):
            await client.get(f"{ready}/file")

        assert (await exporting.actions(ada))[3:] == ["export.fetched"] * 2

    async def test_gives_the_same_bytes_each_time(self, client, ready):
        first, second = await client.get(f"{ready}/file"), await client.get(f"{ready}/file")

        assert first.content == second.content

    async def test_needs_a_fresh_sign_in(self, client, ready, auth_app):
        auth_app.app.state.clock = lambda: utc_now() + timedelta(minutes=6)

        assert (await client.get(f"{ready}/file")).json()["code"] == "token.step_up_required"
        assert (await client.get(ready)).status_code == 200

    async def test_before_it_is_ready_is_refused(self, client, exporting):
        where = f"/me/exports/{(await client.post('/me/exports')).json()['id']}"
        answer = await client.get(f"{where}/file")

        assert (answer.status_code, answer.json()["code"]) == (409, "export.not_ready")

    async def test_from_a_storage_that_is_away_is_an_error_and_no_half_file(
        self, client, ready, exporting, files_away
    ):
        exporting.api_reads(files_away)
        answer = await client.get(f"{ready}/file")

        assert (answer.status_code, answer.json()["code"]) == (503, "storage.unavailable")


class TestFiles:
    async def test_show_nothing_to_whoever_reads_the_storage(self, ready, blobs):
        names = await blobs.names("exports/")
        held = [await blobs.get(name) for name in names]

        assert len(names) == 4
        assert not any(ADA.encode() in content for content in held)
        for content in held:
            with pytest.raises(zlib.error):
                zlib.decompress(content)

    @pytest.mark.parametrize("of_another", ["calendar", "profile"])
    async def test_that_lie_in_another_s_place_do_not_open(self, client, ready, blobs, of_another):
        name = next(name for name in await blobs.names("exports/") if name.endswith("/auth"))
        await blobs.put(name, await blobs.get(name.replace("/auth", f"/{of_another}")))

        assert (await client.get(f"{ready}/file")).json()["code"] == "export.not_found"

    async def test_open_after_the_installation_s_key_was_changed(
        self, client, ready, auth_app, exporting, blobs, superuser
    ):
        old = auth_app.settings.keys.ring("test")
        both = Cipher({**old, "new": bytes(range(32))}, active="new")
        rotation = rotation_kind(exporting.database, Sealing(both, SCHEMA.sealed))
        await superuser.execute(
            "insert into auth.jobs (id, kind, dedupe_key, arguments, max_attempts, run_at)"
            " values (gen_random_uuid(), 'keys.rotate', 'x', '{}', 1, now())"
        )
        job = await exporting.claimed(rotation)
        await rotation.body(job, Control(exporting.database, job))
        new = Cipher({"new": bytes(range(32))}, active="new")
        exporting.api_reads(ExportFiles(blobs, new))

        assert len(contents(await client.get(f"{ready}/file"))) == 5


class TestAfterSevenDays:
    async def test_it_is_told_when(self, client, ready):
        told = (await client.get(ready)).json()

        assert told["expires_at"] > told["ready_at"]

    async def test_it_is_gone_for_its_user(self, client, ready, superuser):
        await superuser.execute("update auth.exports set expires_at = now()")

        assert (await client.get(ready)).json()["code"] == "export.not_found"
        assert (await client.get(f"{ready}/file")).json()["code"] == "export.not_found"

    async def test_it_is_gone_from_the_storage_and_then_from_the_database(
        self, ready, exporting, superuser, blobs
    ):
        await superuser.execute("update auth.exports set expires_at = now()")
        await tidy(exporting)

        assert await blobs.names("exports/") == []
        assert await superuser.fetchval("select count(*) from auth.exports") == 0

    async def test_its_row_waits_for_a_storage_that_is_away(
        self, ready, exporting, superuser, blobs, files_away
    ):
        await superuser.execute("update auth.exports set expires_at = now()")
        there, exporting.files = exporting.files, files_away

        async def has_failed() -> bool:
            statement = "select error is not null from auth.jobs where kind = 'remove_exports'"
            return await superuser.fetchval(statement)

        await ask_to_tidy(exporting)
        await exporting.works_until(has_failed)
        assert await superuser.fetchval("select count(*) from auth.exports") == 1
        exporting.files = there
        await superuser.execute("update auth.jobs set run_at = now() where finished_at is null")
        await exporting.works_until_done()
        assert await superuser.fetchval("select count(*) from auth.exports") == 0

    async def test_others_stay(self, ready, exporting, superuser):
        await tidy(exporting)

        assert await superuser.fetchval("select count(*) from auth.exports") == 1


async def ask_to_tidy(exporting) -> None:
    """As the housekeeping does."""
    async with exporting.database.transaction(as_user=Context.SYSTEM) as tx:
        await ask_to_remove_expired(tx, utc_now())


async def tidy(exporting) -> None:
    await ask_to_tidy(exporting)
    await exporting.works_until_done()
