"""dlq: messages that stopped, asked of each service's worker at its internal port."""

import json
import ssl
import uuid
from http import HTTPStatus
from typing import Annotated, Any, cast

import httpx
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from quartet_cli.stack import Stack
from quartet_cli.stack.description import HOST
from quartet_cli.stack.table import ENTRIES
from quartet_cli.supervisor.client import SupervisorError
from quartet_cli.verbs.lifecycle import chosen

PATH = "/internal/v1/dead-letters"
REQUEST_SECONDS = 60.0

Service = Annotated[str | None, typer.Option("--service", "-s", help="auth, profile, …; without: all.")]
Id = Annotated[uuid.UUID | None, typer.Argument(metavar="ID", help="One message.")]
Topic = Annotated[str | None, typer.Option(help="Of this topic.")]
Key = Annotated[str | None, typer.Option(help="With this key.")]
Partition = Annotated[int | None, typer.Option(help="Of this partition.")]
FirstOffset = Annotated[int | None, typer.Option(help="From this offset on.")]
LastOffset = Annotated[int | None, typer.Option(help="Up to this offset.")]
Everything = Annotated[bool, typer.Option("--all", help="All of them.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only tell what would be done.")]

dlq = typer.Typer(
    help="List, show, replay or drop messages that a service could not handle.", no_args_is_help=True
)


@dlq.command("list")
def list_letters(
    service: Service = None,
    topic: Topic = None,
    key: Key = None,
    partition: Partition = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Show which messages stopped, and why."""
    selection = _selection(topic=topic, key=key, partition=partition)
    found: list[dict[str, Any]] = []
    for name in _services(service):
        answer = _ask(chosen(), name, "GET", "", params=selection, may_miss=True)
        found += [{"service": name, **item} for item in cast("list[dict[str, Any]]", answer.get("items", []))]
    if as_json:
        print(json.dumps(found, indent=2))
        return
    if not found:
        print("No message is parked.")
        return
    console = Console(highlight=False)
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("service", "id", "topic", "key", "event", "why", "tries", "parked at"):
        table.add_column(column, overflow="fold")
    for item in found:
        why = f"{item['kind']}: {item['error_class']} {item['error_detail']}"
        cells = (item["service"], item["id"], item["topic"], item["key"], item["event_type"], why)
        table.add_row(*(escape(str(cell or "")) for cell in cells), str(item["attempts"]), item["parked_at"])
    console.print(table)


@dlq.command()
def show(id_: Annotated[uuid.UUID, typer.Argument(metavar="ID")], service: Service = None) -> None:
    """Show one message with headers and payload; it is recorded that you looked."""
    for name in _services(service):
        answer = _ask(chosen(), name, "GET", f"/{id_}", may_miss=True)
        if answer:
            print(json.dumps({"service": name, **answer}, indent=2))
            return
    raise SupervisorError(f"no service has a parked message {id_}")


@dlq.command()
def replay(  # noqa: PLR0917 - typer makes options of them
    id_: Id = None,
    service: Service = None,
    topic: Topic = None,
    key: Key = None,
    partition: Partition = None,
    first_offset: FirstOffset = None,
    last_offset: LastOffset = None,
    everything: Everything = False,
    dry_run: DryRun = False,
) -> None:
    """Handle parked messages again, in their order; a key that gets through goes on."""
    selection = _selection(
        id=id_, topic=topic, key=key, partition=partition, first_offset=first_offset, last_offset=last_offset
    )
    _act("replay", "replayed", selection, service=service, everything=everything, dry_run=dry_run)


@dlq.command()
def drop(  # noqa: PLR0917 - typer makes options of them
    id_: Id = None,
    service: Service = None,
    topic: Topic = None,
    key: Key = None,
    partition: Partition = None,
    first_offset: FirstOffset = None,
    last_offset: LastOffset = None,
    everything: Everything = False,
    dry_run: DryRun = False,
) -> None:
    """Give parked messages up for good; their keys go on without them."""
    selection = _selection(
        id=id_, topic=topic, key=key, partition=partition, first_offset=first_offset, last_offset=last_offset
    )
    _act("drop", "dropped", selection, service=service, everything=everything, dry_run=dry_run)


def _act(
    verb: str, done: str, selection: dict[str, Any], *, service: str | None, everything: bool, dry_run: bool
) -> None:
    if not selection and not everything:
        raise typer.BadParameter(f"say what to {verb}: an id, --topic, --key, --partition, offsets or --all")
    stack = chosen()
    found, refused = 0, 0
    would = "would be " if dry_run else ""
    for name in _services(service):
        answer = _ask(
            stack,
            name,
            "POST",
            f"/{verb}",
            json={**selection, "everything": everything, "dry_run": dry_run},
            may_miss=True,
        )
        for one in cast("list[str]", answer.get("done", [])):
            found += 1
            print(f"{name}: {one} {would}{done}")
        for one in cast("list[dict[str, str]]", answer.get("refused", [])):
            refused += 1
            print(f"{name}: {one['id']} not {done}: {one['reason']}")
    if "id" in selection and not found and not refused:
        raise SupervisorError(f"no service has a parked message {selection['id']}")
    if not found and not refused:
        print(f"No parked message fits; none {would or 'was '}{done}.")
    if refused:
        raise typer.Exit(1)


def _services(service: str | None) -> list[str]:
    names = [entry.name for entry in ENTRIES]
    if service is not None and service not in names:
        raise typer.BadParameter(f"services are {', '.join(names)}")
    return [service] if service else names


def _selection(**given: object) -> dict[str, Any]:
    return {
        name: str(value) if isinstance(value, uuid.UUID) else value
        for name, value in given.items()
        if value is not None
    }


def _ask(
    stack: Stack, service: str, method: str, path: str, *, may_miss: bool = False, **request: Any
) -> dict[str, Any]:
    """As the operator, by certificate; a proxy of this shell is never used for it.

    A service that listens to nothing has no such paths; `may_miss` makes an empty answer of that.
    """
    url = f"https://{HOST}:{stack.ports[f'{service}-worker-internal']}{PATH}{path}"
    try:
        with httpx.Client(verify=_context(stack), trust_env=False, timeout=REQUEST_SECONDS) as client:
            answer = client.request(method, url, **request)
    except httpx.TransportError as error:
        raise SupervisorError(f"{service}-worker does not answer ({error}): ./quartet status") from None
    if may_miss and answer.status_code == HTTPStatus.NOT_FOUND:
        return {}
    if answer.is_error:
        raise SupervisorError(f"{service}-worker: {answer.status_code} {_detail(answer)}")
    return cast("dict[str, Any]", answer.json())


def _context(stack: Stack) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(stack.ca_file))
    context.load_cert_chain(stack.certificates / "operator.crt", stack.certificates / "operator.key")
    return context


def _detail(answer: httpx.Response) -> str:
    try:
        return str(answer.json().get("detail", answer.text))
    except ValueError:
        return answer.text
