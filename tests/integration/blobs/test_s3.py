import asyncio
import time

import pytest
from structlog.testing import capture_logs

from common.blobs import Blobs
from common.errors import Kind, QuartetError
from common.health.checks import Severity
from common.health.storage import storage_check
from tests.support.own_s3 import ACCESS_KEY, PATIENT, SECRET_KEY, OpenBlobs, OwnS3
from tests.support.waiting import eventually

WRONG = [
    ({"secret_key": "not-the-key"}, "STORAGE_SECRET_KEY does not belong to STORAGE_ACCESS_KEY"),
    ({"access_key": "nobody"}, "STORAGE_ACCESS_KEY is not known there"),
    ({"bucket": "not-there"}, "STORAGE_BUCKET is not there"),
    ({"endpoint": "http://127.0.0.1:9"}, "STORAGE_ENDPOINT cannot be reached"),
]


async def fault_of(act) -> tuple[QuartetError, list[str]]:
    """With what the log says of its cause."""
    with capture_logs() as logged, pytest.raises(QuartetError) as caught:
        await act
    return caught.value, [line["cause"] for line in logged if line["event"] == "storage.failed"]


class TestStorage:
    @pytest.mark.parametrize(("changed", "cause"), WRONG, ids=["secret", "key", "bucket", "endpoint"])
    async def test_names_the_setting_that_is_wrong_and_no_secret(
        self, s3: OwnS3, opened: OpenBlobs, changed: dict[str, str], cause: str
    ):
        blobs = opened(s3.settings(**PATIENT, **changed))

        for act in (blobs.get("a"), blobs.put("a", b"a"), blobs.names("a/")):
            error, causes = await fault_of(act)

            assert (error.code, error.kind) == ("storage.unavailable", Kind.UNAVAILABLE)
            assert error.retry_after_seconds == 5
            assert cause in causes[0]
            assert not {SECRET_KEY, ACCESS_KEY, "not-the-key"} & set((causes[0] + str(error)).split())

    async def test_takes_nothing_from_variables_of_other_programs(
        self, s3: OwnS3, opened: OpenBlobs, monkeypatch: pytest.MonkeyPatch
    ):
        for name in ("AWS_SESSION_TOKEN", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"):
            monkeypatch.setenv(name, "another")
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
        blobs = opened(s3.settings(**PATIENT))

        await blobs.put("a", b"a")

        assert await blobs.get("a") == b"a"

    async def test_keeps_objects_under_their_names(self, s3: OwnS3, in_bucket: Blobs):
        await in_bucket.put("avatars/one/a.webp", b"a")

        assert s3.kept("avatars/one/a.webp") == b"a"


class TestStorageThatIsAway:
    async def test_is_told_at_once_and_comes_back(self, s3: OwnS3, opened: OpenBlobs):
        blobs = opened(s3.settings(**PATIENT))
        await blobs.put("a", b"a")
        await s3.line.close()
        began = time.monotonic()
        _, causes = await fault_of(blobs.get("a"))

        assert time.monotonic() - began < PATIENT["timeout_seconds"]
        assert causes == ["STORAGE_ENDPOINT cannot be reached"]

        await s3.line.open()
        assert await blobs.get("a") == b"a"

    async def test_is_not_waited_for_when_it_hangs(self, s3: OwnS3, opened: OpenBlobs):
        blobs = opened(s3.settings(timeout_seconds=0.3))
        s3.line.hold()
        try:
            error, causes = await fault_of(blobs.put("a", b"a"))
        finally:
            await s3.line.open()

        assert error.code == "storage.unavailable"
        assert "0.3 s" in causes[0] or "cannot be reached" in causes[0]

    async def test_is_shown_and_makes_nobody_unready(self, s3: OwnS3, opened: OpenBlobs):
        blobs = opened(s3.settings(**PATIENT))
        check = storage_check(blobs)
        assert (await check.result()).healthy

        await s3.line.close()
        await fault_of(blobs.get("a"))
        away = await check.result()
        await s3.line.open()
        await blobs.names("a/")

        assert (away.healthy, away.severity) == (False, Severity.DEGRADING)
        assert away.detail == "failed when it was used last"
        assert (await check.result()).healthy

    async def test_is_let_go_of_by_a_caller_who_leaves(self, s3: OwnS3, opened: OpenBlobs):
        blobs = opened(s3.settings(timeout_seconds=1))
        s3.line.hold()
        calls = s3.line.calls
        asking = asyncio.create_task(blobs.get("a"))
        await eventually(lambda: s3.line.calls > calls)
        asking.cancel()

        with pytest.raises(asyncio.CancelledError):
            await asking
        await s3.line.open()
