import asyncio
import os
import stat
import sys
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from common.blobs import Blobs, StorageSettings
from common.errors import QuartetError
from tests.support.own_s3 import OpenBlobs
from tests.support.waiting import eventually

WRITER = """
import asyncio, sys
from pathlib import Path
from common.blobs import StorageSettings, open_blobs

async def main():
    blobs = open_blobs(StorageSettings(folder=Path(sys.argv[1])))
    content = bytes([int(sys.argv[2])]) * 3_000_000
    while True:
        await blobs.put("avatars/one/a", content)
        print("put", flush=True)

asyncio.run(main())
"""


async def writer(folder: Path, number: int) -> asyncio.subprocess.Process:
    """Another process that puts the same blob again and again; returns when it has done so once."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", WRITER, str(folder), str(number)), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    await process.stdout.readline()
    return process


class TestFolder:
    async def test_holds_a_blob_whole_though_its_writer_is_killed(self, tmp_path: Path, in_folder: Blobs):
        other = await writer(tmp_path / "files", 1)
        seen: list[bytes | None] = []
        for _ in range(10):
            seen.append(await in_folder.get("avatars/one/a"))
            await in_folder.put("avatars/one/a", bytes([2]) * 3_000_000)
        other.kill()
        await other.wait()
        seen.append(await in_folder.get("avatars/one/a"))

        assert {(len(content or b""), len(set(content or b""))) for content in seen} == {(3_000_000, 1)}
        assert await in_folder.names("avatars/") == ["avatars/one/a"]

    async def test_is_for_its_own_user_alone(self, tmp_path: Path, in_folder: Blobs):
        await in_folder.put("avatars/one/a", b"a")

        modes = [stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "files").rglob("*")]
        assert set(modes) == {0o700, 0o600}

    async def test_has_each_blob_on_the_disk_before_it_is_told(
        self, in_folder: Blobs, monkeypatch: pytest.MonkeyPatch
    ):
        synced: list[str] = []
        sync = os.fsync

        def noted(descriptor: int) -> None:
            synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
            sync(descriptor)

        monkeypatch.setattr(os, "fsync", noted)
        await in_folder.put("avatars/one/a", b"a")

        assert synced[0].startswith("tmp")
        assert {"one", "avatars", "files"} <= set(synced[1:])

    async def test_forgets_what_a_killed_writer_left(self, tmp_path: Path, in_folder: Blobs):
        await in_folder.put("a", b"a")
        aside = tmp_path / "files" / ".unfinished"
        (aside / "old").write_bytes(b"half of a picture")
        (aside / "new").write_bytes(b"half of a picture")
        os.utime(aside / "old", (0, 0))
        await in_folder.put("b", b"b")

        assert [path.name for path in aside.iterdir()] == ["new"]

    async def test_that_cannot_be_written_is_unavailable(self, tmp_path: Path, opened: OpenBlobs):
        (tmp_path / "files").write_text("a file where the folder should be")
        blobs = opened(StorageSettings(folder=tmp_path / "files"))

        with capture_logs() as logged, pytest.raises(QuartetError, match=r"storage\.unavailable"):
            await blobs.put("avatars/one/a", b"a")

        assert logged[0]["cause"].startswith("STORAGE_FOLDER: ")
        assert blobs.trouble == logged[0]["cause"]

    async def test_of_a_disk_that_hangs_is_not_waited_for(self, tmp_path: Path, opened: OpenBlobs):
        os.mkfifo(tmp_path / "a")
        blobs = opened(StorageSettings(folder=tmp_path, timeout_seconds=0.2))
        try:
            with pytest.raises(QuartetError, match=r"storage\.unavailable"):
                await blobs.get("a")
        finally:
            # whoever reads it is let go of: a pipe ends when its writer does
            os.close(await eventually(lambda: os.open(tmp_path / "a", os.O_WRONLY | os.O_NONBLOCK)))
