"""The services' processes, and the migration that comes before each of them."""

import sys

from quartet_cli.stack.asking import answers_http
from quartet_cli.stack.description import HOST, Stack
from quartet_cli.stack.part import Part
from quartet_cli.stack.prints import fingerprint
from quartet_cli.stack.table import PROCESSES, ServiceEntry

COMMON = "libs/common/src/common"
LOCK = "requirements/lock.txt"


def migration_part(stack: Stack, entry: ServiceEntry) -> Part:
    """As the owner of the schema, on a connection of its own past the pooler."""
    name = f"{entry.name}-migrate"
    folder = stack.checkout / entry.folder
    environment = stack.process_environment(entry.name, "migrate")
    sources = (folder, stack.checkout / COMMON / "postgres", stack.checkout / LOCK)
    return Part(
        name=name,
        command=(sys.executable, "-m", f"{entry.package}.migrate"),
        needs=("roles",),
        env=environment,
        cwd=folder,
        log=stack.log(name),
        one_shot=True,
        ready_seconds=180,
        fingerprint=lambda: fingerprint(*environment.values(), sources=sources),
    )


def process_parts(stack: Stack, entry: ServiceEntry) -> tuple[Part, ...]:
    return tuple(_process(stack, entry, process) for process in PROCESSES)


def _process(stack: Stack, entry: ServiceEntry, process: str) -> Part:
    name = f"{entry.name}-{process}"
    is_api = process == "api"
    folder = stack.checkout / entry.folder
    environment = stack.process_environment(entry.name, "api" if is_api else "worker")
    sources = (folder / "src", stack.checkout / COMMON, stack.checkout / LOCK)
    port = stack.ports[f"{name}-probe"]
    ports = {key: one for key, one in stack.ports.items() if key == name or key.startswith(f"{name}-")}

    async def ready() -> bool:
        return await answers_http(HOST, port, "/readyz")

    return Part(
        name=name,
        command=(sys.executable, "-m", f"{entry.package}.{'app' if is_api else 'worker'}"),
        needs=("pgbouncer", "redis", f"{entry.name}-migrate", *(() if is_api else ("topics",))),
        env=environment,
        cwd=folder,
        log=stack.log(name),
        ready=ready,
        # above the grace that the process gives itself
        stop_seconds=20,
        fingerprint=lambda: fingerprint(
            *environment.values(), certificates=stack.certificates, sources=sources
        ),
        ports=tuple(ports.values()),
        url=f"http://{HOST}:{stack.ports[name]}" if is_api else None,
        probe_url=f"http://{HOST}:{port}",
    )
