"""`python -m auth_service.keys list|rotate|replace`, with the worker's environment."""

if __name__ == "__main__":
    from common.starting import hold_back

    hold_back()  # before all other imports

import argparse
import sys
from collections.abc import Sequence

from auth_service.commands import carry_out
from auth_service.domain.key_rotation import Rotation
from auth_service.settings import AuthWorkerSettings
from auth_service.storage.signing_keys import lock_signing_keys
from auth_service.usecases.rotate_signing_keys import replace_signing_keys, rotate_signing_keys
from common.housekeeping.loop import database_now
from common.ids import new_id
from common.postgres.engine import Transaction


async def work(tx: Transaction, settings: AuthWorkerSettings, command: str) -> list[str]:
    """Lines to print."""
    if command == "list":
        keys = await lock_signing_keys(tx)
        return [f"{key.kid}  {key.state:<8}  since {key.changed_at:%Y-%m-%d %H:%M} UTC" for key in keys]
    cipher = settings.keys.cipher(settings.environment)
    # the worker goes by the database's clock, too
    now = await database_now(tx)
    if command == "rotate":
        rotation = Rotation(every=settings.signing.rotate_every)
        steps = await rotate_signing_keys(tx, cipher, rotation, now=now, new_id=new_id, asked=True)
    else:
        steps = await replace_signing_keys(tx, cipher, now=now, new_id=new_id)
    return [f"{step.kid}  {step.state}" for step in steps] or ["a rotation is under way already"]


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m auth_service.keys", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="show every signing key and its state")
    commands.add_parser("rotate", help="publish a new key now; it signs ten minutes later")
    commands.add_parser("replace", help="refuse what was signed until now: a key may have been stolen")
    return parser.parse_args(arguments)


def main() -> None:
    arguments = parsed(sys.argv[1:])

    async def asked(tx: Transaction, settings: AuthWorkerSettings) -> list[str]:
        return await work(tx, settings, arguments.command)

    carry_out("keys", asked)


if __name__ == "__main__":
    main()
