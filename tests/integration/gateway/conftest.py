import asyncio
import os
import shutil
from collections.abc import AsyncIterator

import httpx
import pytest

from quartet_cli.stack import Part, Stack, open_stack, stack_file
from quartet_cli.stack.asking import client_context
from quartet_cli.stack.description import HOST
from quartet_cli.stack.nginx import gateway_part
from tests.support.upstream import Upstream
from tests.support.waiting import eventually


async def _answers(part: Part) -> bool:
    try:
        return await part.ready()
    except OSError:
        return False


@pytest.fixture(scope="session")
async def gateway_stack() -> AsyncIterator[Stack]:
    """nginx alone, on ports of its own; its services are whatever a test starts."""
    name = f"gateway-{os.getpid()}"
    stack = open_stack(name)
    part = gateway_part(stack)
    user = part.user if os.geteuid() == 0 else None
    await part.prepare()
    with part.log.open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *part.command, stdout=log, stderr=log, cwd=part.cwd, user=user, group=user
        )
    try:
        await eventually(lambda: _answers(part))
        yield stack
    finally:
        process.terminate()
        await process.wait()
        shutil.rmtree(stack.state)
        shutil.rmtree(stack_file(name).parent, ignore_errors=True)


@pytest.fixture
async def upstream(gateway_stack: Stack) -> AsyncIterator[Upstream]:
    """Stands where chat's api would."""
    made = Upstream()
    server = await asyncio.start_server(made.serve, HOST, gateway_stack.ports["chat-api"])
    yield made
    server.close()
    for writer in made.writers:
        writer.transport.abort()


@pytest.fixture
async def gateway(gateway_stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    context = client_context(gateway_stack.ca_file)
    base = f"https://localhost:{gateway_stack.ports['gateway']}"
    async with httpx.AsyncClient(base_url=base, verify=context, trust_env=False, timeout=10) as client:
        yield client
