"""`python -m auth_service.service_clients add|list|disable`, with the worker's environment."""

if __name__ == "__main__":
    from common.starting import hold_back

    hold_back()  # before all other imports

import argparse
import os
import re
import sys
from collections.abc import Sequence

from auth_service.commands import RefusedError, carry_out
from auth_service.domain.service_clients import CLIENT_ID, ServiceClient
from auth_service.settings import AuthWorkerSettings
from auth_service.storage.service_clients import ServiceClientRow, list_service_clients
from auth_service.usecases.administer_clients import add_client, disable_client
from common.clock import utc_now
from common.contracts.topics import SERVICES
from common.ids import new_id
from common.postgres.engine import Transaction

_SCOPE = re.compile(r"[a-z][a-z0-9_:.-]{0,63}")


async def work(tx: Transaction, arguments: argparse.Namespace) -> list[str]:
    """Lines to print."""
    match arguments.command:
        case "add":
            return await _add(tx, arguments)
        case "disable":
            return await _disable(tx, arguments.client_id)
        case _:
            return [_line(row) for row in await list_service_clients(tx)]


async def _add(tx: Transaction, arguments: argparse.Namespace) -> list[str]:
    client = ServiceClient(
        arguments.client_id, audiences=frozenset(arguments.audience), scopes=frozenset(arguments.scope)
    )
    secret = await add_client(tx, client, now=utc_now(), new_id=new_id, randomness=os.urandom)
    if secret is None:
        raise RefusedError(
            f"there is a client {client.client_id}; for another secret add one of another name"
        )
    return [
        f"client_id      {client.client_id}",
        f"client_secret  {secret}",
        "The secret is not shown again.",
    ]


async def _disable(tx: Transaction, client_id: str) -> list[str]:
    if not await disable_client(tx, client_id=client_id, new_id=new_id):
        raise RefusedError(f"there is no active client {client_id}")
    return [f"{client_id} gets no tokens from now on; those it has end within five minutes"]


def _line(row: ServiceClientRow) -> str:
    state = "active" if row.is_active else "disabled"
    return (
        f"{row.client_id}  {state:<8}  for {', '.join(row.audiences)}  scope {' '.join(row.scopes) or '-'}"
        f"  since {row.created_at:%Y-%m-%d %H:%M} UTC"
    )


def _client_id(text: str) -> str:
    if CLIENT_ID.fullmatch(text) is None:
        raise argparse.ArgumentTypeError("lower-case letters, digits, - and _, a letter first, at most 64")
    return text


def _scope(text: str) -> str:
    if _SCOPE.fullmatch(text) is None:
        raise argparse.ArgumentTypeError("one word, such as credentials:read")
    return text


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m auth_service.service_clients", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    add = commands.add_parser("add", help="make a client and print its secret, once")
    add.add_argument("client_id", type=_client_id)
    add.add_argument(
        "--audience", action="append", required=True, choices=SERVICES, help="a service that it calls"
    )
    add.add_argument("--scope", action="append", default=[], type=_scope, help="what it may do there")
    commands.add_parser("list", help="show every client")
    disable = commands.add_parser("disable", help="give a client no more tokens")
    disable.add_argument("client_id", type=_client_id)
    return parser.parse_args(arguments)


def main() -> None:
    arguments = parsed(sys.argv[1:])

    async def asked(tx: Transaction, _: AuthWorkerSettings) -> list[str]:
        return await work(tx, arguments)

    carry_out("clients", asked)


if __name__ == "__main__":
    main()
