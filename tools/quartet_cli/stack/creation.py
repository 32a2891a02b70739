"""Makes a stack's description, folders, passwords and certificates, or finds those made before."""

import base64
import hashlib
import os
import secrets
import subprocess
from dataclasses import replace
from pathlib import Path

from quartet_cli.stack.certificates import ensure_certificates
from quartet_cli.stack.description import CHECKOUT, DEFAULT_PORT_BASE, Stack, port_layout, stack_file
from quartet_cli.stack.errors import StackError
from quartet_cli.stack.files import Owner, make_folder
from quartet_cli.stack.jars import KAFKA
from quartet_cli.stack.packages import Say, ensure_packages
from quartet_cli.stack.ports import chosen_base, free_base
from quartet_cli.stack.server_user import ensure_server_user
from quartet_cli.stack.table import ENTRIES, logins

ELSEWHERE = Path("/var/lib/quartet")
TEST_WORKERS = tuple(f"gw{number}" for number in range(8))
SERVERS = ("postgres", "pgbouncer", "redis", "kafka", "gateway")


class ForeignStackError(StackError):
    """Files of a stack belong to whoever made it; another user's command would leave a mixture."""


def _nobody(_: str) -> None:
    return


def open_stack(name: str, checkout: Path = CHECKOUT, *, say: Say = _nobody) -> Stack:
    """The stack of that name, ready to be started; every stack but `dev` is one for tests."""
    path = stack_file(name, checkout)
    _refuse_foreign(path)
    make_folder(path.parent, owner=Owner(None), mode=0o755)
    found = Stack.load(path) if path.exists() else None
    stack = _describe(name, checkout, found)
    if stack != found:
        stack.save(path)
    _make_folders(stack)
    ensure_packages(say, log=stack.logs / "packages.log", with_maven=not KAFKA.folder(stack.cache).exists())
    ensure_certificates(stack.certificates, server_owner=stack.server_owner)
    return stack


def _refuse_foreign(path: Path) -> None:
    if path.exists() and path.stat().st_uid != os.geteuid():
        owner = path.owner()
        raise ForeignStackError(
            f"{path} was made by {owner}: run the command as {owner}, or remove the stack"
        )


def _describe(name: str, checkout: Path, found: Stack | None) -> Stack:
    passwords = new_passwords()
    is_dev = name == "dev"
    chosen = chosen_base() if is_dev else None
    if found is not None and found.checkout == checkout:
        stack = replace(found, passwords=passwords | dict(found.passwords))
        return stack.with_ports(chosen) if chosen else stack
    user = ensure_server_user() if os.geteuid() == 0 else None
    base = chosen or (DEFAULT_PORT_BASE if is_dev else free_base())
    return Stack(
        name=name,
        checkout=checkout,
        state=state_folder(name, checkout, user),
        ports=port_layout(base),
        passwords=passwords,
        server_user=user,
        durable=is_dev,
        workers=() if is_dev else TEST_WORKERS,
    )


def new_passwords() -> dict[str, str]:
    redis = tuple(f"redis_{name}" for name in (*(entry.name for entry in ENTRIES), "operator"))
    names = ("postgres", "pgb_auth", "pgb_admin", "pgb_stats", *logins(), *redis)
    passwords = {name: secrets.token_urlsafe(24) for name in names}
    return passwords | {"encryption_key": base64.b64encode(secrets.token_bytes(32)).decode()}


def state_folder(name: str, checkout: Path, user: str | None) -> Path:
    """Below var/, unless that is out of reach for the servers' user."""
    inside = checkout / "var" / name
    if user is None or _can_enter(user, inside):
        return inside
    identity = hashlib.sha256(str(checkout).encode()).hexdigest()[:12]
    return ELSEWHERE / identity / name


def _can_enter(user: str, folder: Path) -> bool:
    """Asked of the kernel as that user: modes alone do not tell of access lists and mounts."""
    try:
        result = subprocess.run(["test", "-x", str(folder)], user=user, group=user, check=False, cwd="/")
    except OSError:
        return False
    return result.returncode == 0


def _make_folders(stack: Stack) -> None:
    make_folder(stack.state, owner=Owner(None), mode=0o755)
    make_folder(stack.logs, owner=Owner(None))
    for server in SERVERS:
        make_folder(stack.folder(server), owner=stack.server_owner)
