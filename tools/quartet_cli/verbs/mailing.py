"""mail: what the local stack would have sent."""

from dataclasses import asdict
from itertools import islice
from typing import Annotated

import typer

from quartet_cli.mails import Received, received
from quartet_cli.verbs.lifecycle import chosen
from quartet_cli.verbs.operating import AsJson, print_json

To = Annotated[str | None, typer.Option(help="To this address.")]
Number = Annotated[int, typer.Option("-n", min=1, help="At most so many.")]


def mail(to: To = None, number: Number = 5, as_json: AsJson = False) -> None:
    """Read the mails of this stack, the newest first; none of them left the machine."""
    found = list(islice(received(chosen().folder("mail"), to=to), number))
    if as_json:
        print_json([asdict(one) for one in found])
    elif found:
        print("\n\n".join(map(_shown, found)))
    else:
        print("There is no mail.")


def _shown(mail: Received) -> str:
    head = f"to       {', '.join(mail.to)}\nsubject  {mail.subject}\ndate     {mail.date}\n"
    return _printable(f"{head}\n{mail.text.strip()}")


def _printable(text: str) -> str:
    """A mail says nothing to the terminal."""
    return "".join(character for character in text if character.isprintable() or character == "\n")
