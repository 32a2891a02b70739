"""What this machine lacks and how it gets it: packages of the distribution, none of whose servers start."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from quartet_cli.stack.errors import StackError
from quartet_cli.stack.versions import JAVA_OLDEST, find, java_major, java_version, postgres_folder

Say = Callable[[str], None]

POLICY = Path("/usr/sbin/policy-rc.d")
NO_CLUSTER = Path("/etc/postgresql-common/createcluster.d/quartet.conf")
MARK = "# written by quartet while it installs packages"
_INSTALL = ("-q", "-y", "-o", "DPkg::Lock::Timeout=300", "install", "--no-install-recommends")


class MissingPackagesError(StackError):
    """Says what to install, for those who must ask somebody for it."""


@dataclass(frozen=True, slots=True)
class Need:
    what: str
    packages: tuple[str, ...]
    """The first that the distribution knows is installed."""
    is_there: Callable[[], bool]


def needs(*, with_maven: bool) -> tuple[Need, ...]:
    servers = (
        Need(
            "PostgreSQL 15 or newer",
            tuple(f"postgresql-{version}" for version in (15, 16, 17, 18)),
            lambda: postgres_folder() is not None,
        ),
        Need("PgBouncer", ("pgbouncer",), lambda: find("pgbouncer") is not None),
        Need("Redis", ("redis-server",), lambda: find("redis-server") is not None),
        Need("nginx", ("nginx-light", "nginx"), lambda: find("nginx") is not None),
        Need(
            f"Java {JAVA_OLDEST} or newer",
            tuple(f"openjdk-{version}-jre-headless" for version in (17, 21, 25)),
            lambda: java_major() >= JAVA_OLDEST,
        ),
    )
    maven = Need("Maven", ("maven",), lambda: find("mvn") is not None)
    return (*servers, maven) if with_maven else servers


def missing(*, with_maven: bool) -> list[Need]:
    return [need for need in needs(with_maven=with_maven) if not need.is_there()]


def ensure_packages(say: Say, *, log: Path, with_maven: bool) -> None:
    """Installs only what is missing; nothing happens, and nothing is asked, when everything is there."""
    lacking = missing(with_maven=with_maven)
    if not lacking:
        return
    prefix = _becoming_root(lacking)
    began = time.monotonic()
    say("updating the list of packages")
    _run([*prefix, "apt-get", "-q", "update"], log)
    chosen = [_choose(need) for need in lacking]
    say(f"installing {', '.join(chosen)}")
    with _no_servers(prefix, log):
        _run([*prefix, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", *_INSTALL, *chosen], log)
    java_version.cache_clear()
    left = missing(with_maven=with_maven)
    if left:
        raise MissingPackagesError(f"still missing after installing: {_listed(left)}; see {log}")
    say(f"packages are installed ({time.monotonic() - began:.0f} s)")


def _listed(lacking: Sequence[Need]) -> str:
    return ", ".join(need.what for need in lacking)


def _becoming_root(lacking: Sequence[Need]) -> list[str]:
    if find("apt-get") is None:
        raise MissingPackagesError(f"missing: {_listed(lacking)}. Install them by this system's own means.")
    if os.geteuid() == 0:
        return []
    sudo = shutil.which("sudo")
    if sudo and subprocess.run([sudo, "-n", "true"], capture_output=True, check=False).returncode == 0:
        return [sudo, "-n"]
    command = f"apt-get install --no-install-recommends {' '.join(_choose(need) for need in lacking)}"
    raise MissingPackagesError(f"missing: {_listed(lacking)}. As root: {command}")


def _choose(need: Need) -> str:
    for package in need.packages:
        shown = subprocess.run(
            ["apt-cache", "show", "--no-all-versions", package], capture_output=True, check=False
        )
        if shown.returncode == 0 and shown.stdout:
            return package
    return need.packages[0]


@contextmanager
def _no_servers(prefix: Sequence[str], log: Path) -> Generator[None]:
    """While packages are unpacked nothing of theirs is started, and PostgreSQL makes no cluster.

    Both are settings of the whole machine: those that somebody else wrote stay, ours are gone afterwards.
    """
    files = {
        POLICY: (f"#!/bin/sh\n{MARK}\nexit 101\n", "755"),
        NO_CLUSTER: (f"{MARK}\ncreate_main_cluster = false\n", "644"),
    }
    with ExitStack() as undo, TemporaryDirectory() as folder:
        for path, (text, mode) in files.items():
            if path.exists() and MARK not in path.read_text():
                continue
            source = Path(folder) / path.name
            source.write_text(text)
            undo.callback(_run, [*prefix, "rm", "-f", str(path)], log)
            _run([*prefix, "install", "-D", "-m", mode, str(source), str(path)], log)
        yield


def _run(command: Sequence[str], log: Path) -> None:
    with log.open("ab") as output:
        began = output.tell()
        code = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False
        ).returncode
    if code != 0:
        with log.open("rb") as output:
            output.seek(began)
            tail = output.read().decode(errors="replace").strip().splitlines()[-15:]
        raise MissingPackagesError("\n".join([f"{' '.join(command)} ended with {code}:", *tail]))
