"""Programs that prepare a server and end; their output is shown only when they fail."""

import asyncio
import contextlib
import os
from collections.abc import Mapping
from pathlib import Path

from quartet_cli.stack.errors import StackError

_KEPT = ("PATH", "HOME", "LANG", "JAVA_HOME", "MAVEN_OPTS", "http_proxy", "https_proxy", "no_proxy")


class CommandError(StackError):
    def __init__(self, command: tuple[str, ...], code: int, output: str) -> None:
        tail = "\n".join(output.strip().splitlines()[-20:])
        super().__init__(f"{Path(command[0]).name} ended with {code}:\n{tail}")


async def run(
    *command: str,
    user: str | None = None,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float = 300.0,
) -> str:
    """What it printed; `user` matters only to root."""
    as_user = user if os.geteuid() == 0 else None
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=cwd,
        env={name: os.environ[name] for name in _KEPT if name in os.environ} | dict(env or {}),
        user=as_user,
        group=as_user,
        extra_groups=[] if as_user else None,
    )
    try:
        async with asyncio.timeout(timeout):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    text = output.decode(errors="replace")
    if process.returncode != 0:
        raise CommandError(command, process.returncode or 1, text)
    return text
