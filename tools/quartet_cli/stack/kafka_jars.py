"""A server's jars: resolved by Maven from pinned versions, used only if each is the one in the lock."""

import asyncio
import hashlib
import os
import shutil
from pathlib import Path

from quartet_cli.stack.commands import run
from quartet_cli.stack.description import Stack
from quartet_cli.stack.errors import StackError
from quartet_cli.stack.files import Owner, make_folder
from quartet_cli.stack.jars import KAFKA, JarSet
from quartet_cli.stack.part import Part
from quartet_cli.stack.versions import program

# it ends before thorough compilation of its own code pays: two thirds of the processor time
MAVEN_JVM = "-XX:-UsePerfData -XX:TieredStopAtLevel=1"
PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"


class WrongJarError(StackError):
    pass


def jars_part(stack: Stack) -> Part:
    async def prepare() -> None:
        await ensure_jars(KAFKA, stack.cache)

    return Part(name="kafka-jars", log=stack.log("kafka-jars"), prepare=prepare, one_shot=True)


async def ensure_jars(jars: JarSet, cache: Path) -> None:
    folder = jars.folder(cache)
    if not folder.exists():
        await _download(jars, cache)
    else:
        await asyncio.to_thread(check_jars, jars, folder)


async def _download(jars: JarSet, cache: Path) -> None:
    make_folder(cache, owner=Owner(None), mode=0o755)
    folder = jars.folder(cache)
    fresh = folder.with_name(f"{folder.name}.new")
    repository = cache / f"maven-{jars.name}"
    shutil.rmtree(fresh, ignore_errors=True)
    await run(
        program("mvn"),
        "--quiet",
        "--batch-mode",
        "--no-transfer-progress",
        f"--file={jars.pom}",
        f"-Dmaven.repo.local={repository}",
        f"-DoutputDirectory={fresh}",
        "-Dmdep.prependGroupId=true",
        PLUGIN,
        env={"MAVEN_OPTS": f"{os.environ.get('MAVEN_OPTS', '')} {MAVEN_JVM}"},
        timeout=900,
    )
    await asyncio.to_thread(check_jars, jars, fresh)
    for jar in fresh.iterdir():
        jar.chmod(0o644)
    fresh.chmod(0o755)
    fresh.rename(folder)
    shutil.rmtree(repository, ignore_errors=True)


def check_jars(jars: JarSet, folder: Path) -> None:
    """Neither more nor fewer than the lock names, each to the byte."""
    wanted = {jar.file_name: jar.sha256 for jar in jars.locked()}
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    wrong = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
    if wrong:
        raise WrongJarError(f"not what {jars.lock} names in {folder}: {', '.join(wrong)}")
