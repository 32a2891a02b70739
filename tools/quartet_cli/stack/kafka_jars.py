"""Kafka's jars: resolved by Maven from pinned versions, used only if each is the one in the lock."""

import asyncio
import hashlib
import shutil
from pathlib import Path

from quartet_cli.stack.commands import run
from quartet_cli.stack.description import Stack
from quartet_cli.stack.errors import StackError
from quartet_cli.stack.files import Owner, make_folder
from quartet_cli.stack.jars import HERE, LOCK, jars_folder, locked_jars
from quartet_cli.stack.part import Part
from quartet_cli.stack.versions import program

PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"


class WrongJarError(StackError):
    pass


def jars_part(stack: Stack) -> Part:
    async def prepare() -> None:
        folder = jars_folder(stack)
        if not folder.exists():
            await _download(stack, folder)
        else:
            await asyncio.to_thread(check_jars, folder)

    return Part(name="kafka-jars", log=stack.log("kafka-jars"), prepare=prepare, one_shot=True)


async def _download(stack: Stack, folder: Path) -> None:
    make_folder(stack.cache, owner=Owner(None), mode=0o755)
    fresh = folder.with_name(f"{folder.name}.new")
    repository = stack.cache / "maven"
    shutil.rmtree(fresh, ignore_errors=True)
    await run(
        program("mvn"),
        "--quiet",
        "--batch-mode",
        "--no-transfer-progress",
        f"--file={HERE / 'pom.xml'}",
        f"-Dmaven.repo.local={repository}",
        f"-DoutputDirectory={fresh}",
        "-Dmdep.prependGroupId=true",
        PLUGIN,
        timeout=900,
    )
    await asyncio.to_thread(check_jars, fresh)
    for jar in fresh.iterdir():
        jar.chmod(0o644)
    fresh.chmod(0o755)
    fresh.rename(folder)
    shutil.rmtree(repository, ignore_errors=True)


def check_jars(folder: Path) -> None:
    """Neither more nor fewer than the lock names, each to the byte."""
    wanted = {jar.file_name: jar.sha256 for jar in locked_jars()}
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    wrong = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
    if wrong:
        raise WrongJarError(f"not what {LOCK.name} names in {folder}: {', '.join(wrong)}")
