"""Every secret of a run, and every place where a log may have written it down."""

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import asyncpg

from common.contracts.topics import SERVICES
from quartet_cli.stack import Stack
from tests.support.gateway import SECRETS

_LOG = re.compile(r"\.log(\.\d+)?$")
_VALUE = re.compile(r"[A-Za-z0-9+/_=-]{24,}")
_SECRET_VARIABLE = re.compile(r"KEY|SECRET|PASSWORD|ENCRYPTION|PEPPER|SALT")


def logs(stack: Stack) -> dict[Path, str]:
    """Of every process and every server, turned ones included."""
    folders = (stack.logs, stack.folder("gateway"), stack.folder("kafka"), stack.folder("postgres"))
    files = {path for folder in folders for path in folder.rglob("*") if _LOG.search(path.name)}
    files |= {path for path in stack.logs.rglob("*") if path.is_file()}
    return {path: path.read_text(errors="replace") for path in files}


async def all_secrets(stack: Stack, operator: asyncpg.Connection) -> dict[str, str]:
    """By what they are: the installation's, those in the database, and what this run's users have."""
    found = {f"password of {name}": secret for name, secret in stack.passwords.items()}
    found |= dict(_of_processes(stack))
    found |= dict(_private_keys(stack))
    for row in await operator.fetch("select kid, private_sealed from auth.signing_keys"):
        found[f"sealed signing key {row['kid']}"] = base64.b64encode(row["private_sealed"]).decode()
        found[f"bytes of the sealed signing key {row['kid']}"] = row["private_sealed"].hex()
    for number, secret in enumerate(sorted(SECRETS)):
        found[f"secret {number} of a user"] = secret
        if secret.count(".") == 2:
            found[f"signature of token {number}"] = secret.rpartition(".")[2]
    return found


def written_as(secret: str) -> set[str]:
    """As itself and as a log might quote it."""
    encoded = {base64.b64encode(secret.encode()).decode().rstrip("="), quote(secret, safe="")}
    return {secret, json.dumps(secret)[1:-1]} | encoded


def leaks(stack: Stack, secrets: dict[str, str]) -> list[str]:
    """What stands where."""
    texts = logs(stack)
    assert texts
    return [
        f"{name} in {path.name}"
        for name, secret in secrets.items()
        for form in written_as(secret)
        for path, text in texts.items()
        if form in text
    ]


def _of_processes(stack: Stack) -> Iterator[tuple[str, str]]:
    for service in SERVICES:
        for process in ("api", "worker"):
            for name, value in stack.process_environment(service, process).items():
                if _SECRET_VARIABLE.search(name) and not name.endswith("_FILE"):
                    for number, secret in enumerate(_VALUE.findall(value)):
                        yield f"{name} {number} of {service}-{process}", secret


def _private_keys(stack: Stack) -> Iterator[tuple[str, str]]:
    """A line from the middle of each: the first ones say only of what kind it is."""
    for path in (*stack.certificates.glob("*.key"), *stack.certificates.glob("*.pem")):
        inside = path.read_text().partition("PRIVATE KEY-----")[2].partition("-----END")[0].split()
        yield f"private key {path.name}", inside[len(inside) // 2]
