"""`python -m auth_service.admin list|grant|revoke`, with the worker's environment: who administers."""

if __name__ == "__main__":
    from common.starting import hold_back

    hold_back()  # before all other imports

import argparse
import sys
from collections.abc import Sequence

from auth_service.commands import RefusedError, carry_out
from auth_service.domain.email import EmailAddress, parse_email
from auth_service.settings import AuthWorkerSettings
from auth_service.storage.roles import list_admins
from auth_service.usecases.administer_roles import RoleRefusal, grant_admin, revoke_admin
from common.housekeeping.loop import database_now
from common.ids import new_id
from common.postgres.engine import Transaction

_NO = {
    RoleRefusal.UNKNOWN: "no account has the address {email}",
    RoleRefusal.UNVERIFIED: "{email} is not verified: the link in the mail comes first",
    RoleRefusal.CLOSED: "the account of {email} is closed",
    RoleRefusal.IS_ONE: "{email} is an administrator already",
    RoleRefusal.IS_NONE: "{email} is no administrator",
}


async def work(tx: Transaction, arguments: argparse.Namespace) -> list[str]:
    """Lines to print."""
    if arguments.command == "list":
        return [f"{one.email}  {one.id}" for one in await list_admins(tx)] or ["there is none yet"]
    email: EmailAddress = arguments.email
    change = grant_admin if arguments.command == "grant" else revoke_admin
    ended = await change(tx, email, now=await database_now(tx), new_id=new_id)
    if isinstance(ended, RoleRefusal):
        raise RefusedError(_NO[ended].format(email=email.shown))
    what = "is an administrator" if arguments.command == "grant" else "is no administrator any more"
    return [f"{email.shown} {what}; {len(ended)} sessions ended, it counts with the next sign-in"]


def _email(text: str) -> EmailAddress:
    email = parse_email(text)
    if email is None:
        raise argparse.ArgumentTypeError(f"this is no e-mail address: {text}")
    return email


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m auth_service.admin", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="show every administrator")
    grant = commands.add_parser("grant", help="make the account of an address an administrator's")
    grant.add_argument("email", type=_email)
    revoke = commands.add_parser("revoke", help="take that away again")
    revoke.add_argument("email", type=_email)
    return parser.parse_args(arguments)


def main() -> None:
    arguments = parsed(sys.argv[1:])

    async def asked(tx: Transaction, _: AuthWorkerSettings) -> list[str]:
        return await work(tx, arguments)

    carry_out("admin", asked)


if __name__ == "__main__":
    main()
