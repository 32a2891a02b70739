"""nginx as the gateway: TLS, routes from the table of services, refusals as problem documents."""

import json
from pathlib import Path
from textwrap import indent

from quartet_cli.stack.asking import answers_http
from quartet_cli.stack.description import HOST, Stack
from quartet_cli.stack.files import fill, make_folder, write_private
from quartet_cli.stack.part import Part
from quartet_cli.stack.prints import fingerprint
from quartet_cli.stack.routes import locations_text, problems_text, upstreams_text
from quartet_cli.stack.table import ENTRIES
from quartet_cli.stack.versions import program

GATEWAY = Path("deploy") / "gateway"
TEMPORARY = ("body", "proxy", "fastcgi", "uwsgi", "scgi")


def configuration(stack: Stack) -> str:
    folder = stack.folder("gateway")
    return fill(
        stack.checkout / GATEWAY / "nginx.conf.template",
        folder=folder,
        listen=f"{HOST}:{stack.ports['gateway']}",
        certificate_file=stack.certificates / "gateway.crt",
        key_file=stack.certificates / "gateway.key",
        upstreams=_indented(upstreams_text(_addresses(stack)), 4),
        locations=_indented(locations_text(), 8),
        problems=_indented(problems_text(), 8),
    )


def _addresses(stack: Stack) -> dict[str, str]:
    return {entry.name: f"{HOST}:{stack.ports[f'{entry.name}-api']}" for entry in ENTRIES}


def _indented(text: str, spaces: int) -> str:
    return indent(text, " " * spaces).lstrip()


def documentation(stack: Stack) -> dict[str, str]:
    """The page over all services, with the list of them."""
    folder = stack.checkout / GATEWAY / "docs"
    listed = [
        {"name": entry.name, "title": entry.title, "url": f"{entry.prefix}/openapi.json"} for entry in ENTRIES
    ]
    pages = {path.name: path.read_text() for path in sorted(folder.iterdir())}
    return pages | {"services.json": json.dumps(listed, indent=2) + "\n"}


def gateway_part(stack: Stack) -> Part:
    folder = stack.folder("gateway")
    text = configuration(stack)
    pages = documentation(stack)

    async def prepare() -> None:
        owner = stack.server_owner
        for name in TEMPORARY:
            make_folder(folder / name, owner=owner)
        make_folder(folder / "docs", owner=owner)
        for name, page in pages.items():
            write_private(folder / "docs" / name, page, owner=owner)
        if not (folder / "access.log").exists():
            # nginx would make it readable for everybody
            write_private(folder / "access.log", "", owner=owner)
        write_private(folder / "nginx.conf", text, owner=owner)

    async def ready() -> bool:
        return await answers_http(HOST, stack.ports["gateway"], "/api/v1/health", ca_file=stack.ca_file)

    return Part(
        name="gateway",
        command=(program("nginx"), "-p", str(folder), "-e", "stderr", "-c", str(folder / "nginx.conf")),
        cwd=folder,
        user=stack.server_user,
        log=stack.log("gateway"),
        prepare=prepare,
        ready=ready,
        stop_seconds=5,
        fingerprint=lambda: fingerprint(text, *pages.values(), certificates=stack.certificates),
        ports=(stack.ports["gateway"],),
        url=stack.gateway_url,
    )
