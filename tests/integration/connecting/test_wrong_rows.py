"""Four processes on three connections of a transaction pooler: by the libraries' defaults, and by ours."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from tests.support.own_servers import OwnPooler, own_pooler
from tests.support.repository import ROOT

PROGRAM = Path(__file__).with_name("asking_client.py")
PROCESSES = 4
ASKED = 4 * 2 * 150


@pytest.fixture(scope="module")
async def small_pooler(postgres) -> AsyncIterator[OwnPooler]:
    connection = await asyncpg.connect(postgres.url("postgres"), ssl=False)
    await connection.execute("CREATE ROLE auth_shared")
    await connection.close()
    async with own_pooler(postgres, size=3) as pooler:
        yield pooler


async def asked(kind: str, pooler: OwnPooler) -> Counter[str]:
    url = pooler.url("lenient", "sslmode=disable")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(PROGRAM), kind, url, str(PROCESSES)),
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        stdout=PIPE,
        stderr=DEVNULL,
    )
    said, _ = await process.communicate()
    # the log's lines come first
    return Counter(json.loads(said.splitlines()[-1]))


class TestProcesses:
    async def test_of_ours_each_get_their_own_rows(self, small_pooler):
        assert await asked("ours", small_pooler) == {"right": ASKED}

    async def test_with_the_libraries_defaults_get_errors_and_rows_of_others(self, small_pooler):
        """If this fails, pooler and libraries have learnt it: measure anew, and leave the caches on."""
        seen = await asked("defaults", small_pooler)

        assert seen["right"] < ASKED
        assert seen["wrong"] > 0
