"""Pictures as profile's api is sent them, and its storage in a folder of the test's."""

import io
from collections.abc import AsyncGenerator
from pathlib import Path

import httpx
import pytest
from PIL import Image

from common.blobs import StorageSettings
from profile_service.api.resources import Resources
from profile_service.app import opened_resources
from tests.support.pictures import BLUE, RED, saved
from tests.support.profile_app import ProfileApp

JPEG = {"Content-Type": "image/jpeg"}
RED_PICTURE = saved(Image.new("RGB", (64, 64), RED))
BLUE_PICTURE = saved(Image.new("RGB", (64, 64), BLUE))


@pytest.fixture
async def resources(profile_app: ProfileApp, tmp_path: Path) -> AsyncGenerator[Resources]:
    async with opened_resources(StorageSettings(folder=tmp_path / "files", timeout_seconds=10)) as opened:
        profile_app.app.state.resources = profile_app.internal.state.resources = opened
        yield opened


async def put(client: httpx.AsyncClient, content: bytes = RED_PICTURE, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await client.put("/me/avatar", content=content, headers=JPEG | named)


def color_of(answer: httpx.Response) -> tuple[int, ...]:
    pixel = Image.open(io.BytesIO(answer.content), formats=["WEBP"]).convert("RGB").getpixel((5, 5))
    assert isinstance(pixel, tuple)
    return pixel
