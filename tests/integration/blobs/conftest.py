from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import pytest

from common.blobs import Blobs, StorageSettings, open_blobs
from tests.support.own_s3 import PATIENT, OpenBlobs, OwnS3, own_s3


@pytest.fixture(scope="package")
async def s3(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[OwnS3]:
    """One for all: it takes a second or two until it answers."""
    async with own_s3(tmp_path_factory.mktemp("s3")) as storage:
        yield storage


@pytest.fixture
def opened() -> Iterator[OpenBlobs]:
    made: list[Blobs] = []

    def open_one(settings: StorageSettings) -> Blobs:
        made.append(open_blobs(settings))
        return made[-1]

    yield open_one
    for blobs in made:
        blobs.close()


@pytest.fixture
async def in_bucket(s3: OwnS3, opened: OpenBlobs) -> Blobs:
    await s3.empty()
    return opened(s3.settings(**PATIENT))


@pytest.fixture
def in_folder(tmp_path: Path, opened: OpenBlobs) -> Blobs:
    return opened(StorageSettings(folder=tmp_path / "files", **PATIENT))


@pytest.fixture(params=["in_folder", "in_bucket"])
def blobs(request: pytest.FixtureRequest) -> Blobs:
    return request.getfixturevalue(request.param)
