"""Where the mails of a stack go: into a folder, to be read with `./quartet mail`."""

import sys
from pathlib import Path

from quartet_cli.stack.asking import answers_smtp
from quartet_cli.stack.description import HOST, Stack
from quartet_cli.stack.files import Owner, make_folder
from quartet_cli.stack.part import Part
from quartet_cli.stack.prints import fingerprint

_PROGRAM = Path(__file__).parents[1] / "mail_sink.py"


def mail_part(stack: Stack) -> Part:
    folder, port = stack.folder("mail"), stack.ports["mail"]

    async def prepare() -> None:
        make_folder(folder, owner=Owner(None))

    async def ready() -> bool:
        return await answers_smtp(HOST, port)

    return Part(
        name="mail",
        command=(
            *(sys.executable, "-m", "quartet_cli.mail_sink"),
            *("--host", HOST, "--port", str(port), "--folder", str(folder)),
        ),
        log=stack.log("mail"),
        prepare=prepare,
        ready=ready,
        stop_seconds=5,
        fingerprint=lambda: fingerprint(sources=(_PROGRAM,)),
        ports=(port,),
    )
