"""env: what shells and scripts need to reach the stack."""

import shlex
from typing import Annotated, Final

import typer

from quartet_cli.stack.description import current_file
from quartet_cli.stack.table import ENTRIES
from quartet_cli.verbs.lifecycle import chosen

PROCESSES: Final = ("api", "worker", "migrate")


def env(
    service: Annotated[str | None, typer.Argument(help="auth, profile, calendar or chat.")] = None,
    process: Annotated[str, typer.Argument(help="api, worker or migrate.")] = "api",
) -> None:
    """Print exports: of the stack, or what one process of a service is started with, secrets too."""
    stack = chosen()
    if service is None:
        variables = {
            "QUARTET_STACK": str(current_file()),
            "QUARTET_GATEWAY": stack.gateway_url,
            "QUARTET_CA": str(stack.ca_file),
        }
    elif service in {entry.name for entry in ENTRIES} and process in PROCESSES:
        variables = stack.process_environment(service, process)
    else:
        services = ", ".join(entry.name for entry in ENTRIES)
        raise typer.BadParameter(f"services are {services}; processes are {', '.join(PROCESSES)}")
    for name, value in variables.items():
        print(f"export {name}={shlex.quote(value)}")
