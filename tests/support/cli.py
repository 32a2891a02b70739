"""The command as a person types it, told which stack is meant."""

import asyncio
import os
import sys
from dataclasses import dataclass

from tests.support.repository import ROOT

SECONDS = 60.0


@dataclass(frozen=True)
class Answer:
    code: int
    output: str
    errors: str


async def quartet(*arguments: str) -> Answer:
    return await command("quartet_cli", *arguments)


async def command(module: str, *arguments: str, **environment: str) -> Answer:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, *arguments),
        cwd=ROOT,
        env=os.environ | {"COLUMNS": "200"} | environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(SECONDS):
        output, errors = await process.communicate()
    return Answer(process.returncode or 0, output.decode(), errors.decode())
