"""mail: what the local stack would have sent."""

import sys
import time
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Annotated, Final, Literal

import typer

from quartet_cli.mails import Received, link_token, received
from quartet_cli.verbs.lifecycle import chosen
from quartet_cli.verbs.operating import AsJson, print_json

To = Annotated[str | None, typer.Option(help="To this address.")]
Number = Annotated[int, typer.Option("-n", min=1, help="At most so many.")]
TokenOf = Annotated[
    Literal["verify-email", "reset-password", "confirm-email"] | None,
    typer.Option(help="Only the token of the newest link of this kind, as soon as there is one."),
]
PATIENCE_SECONDS: Final = 30.0


def mail(to: To = None, number: Number = 5, token_of: TokenOf = None, as_json: AsJson = False) -> None:
    """Read the mails of this stack, the newest first; none of them left the machine."""
    if token_of is not None:
        print(_token(chosen().folder("mail"), to=to, kind=token_of))
        return
    found = list(islice(received(chosen().folder("mail"), to=to), number))
    if as_json:
        print_json([asdict(one) for one in found])
    elif found:
        print("\n\n".join(map(_shown, found)))
    else:
        print("There is no mail.")


def _token(folder: Path, *, to: str | None, kind: str) -> str:
    """A mail leaves moments after the request that asked for it."""
    until = time.monotonic() + PATIENCE_SECONDS
    while (token := link_token(folder, to=to, kind=kind)) is None:
        if time.monotonic() > until:
            print("There is no such mail.", file=sys.stderr)
            raise typer.Exit(1)
        time.sleep(0.1)
    return token


def _shown(mail: Received) -> str:
    head = f"to       {', '.join(mail.to)}\nsubject  {mail.subject}\ndate     {mail.date}\n"
    return _printable(f"{head}\n{mail.text.strip()}")


def _printable(text: str) -> str:
    """A mail says nothing to the terminal."""
    return "".join(character for character in text if character.isprintable() or character == "\n")
