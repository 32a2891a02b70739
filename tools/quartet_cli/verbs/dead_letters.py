"""dlq: messages that stopped, asked of each service's worker at its internal port."""

import sys
import uuid
from typing import Annotated, Any, cast

import typer

from quartet_cli.supervisor.client import SupervisorError
from quartet_cli.verbs.operating import (
    Answer,
    AsJson,
    DryRun,
    Service,
    Workers,
    print_json,
    print_table,
    selection,
    services,
)

PATH = "dead-letters"
MOST = 1_000
"""Of one answer."""
COLUMNS = ("service", "id", "topic", "key", "event", "why", "tries", "parked at")

Id = Annotated[uuid.UUID | None, typer.Argument(metavar="ID", help="One message.")]
Topic = Annotated[str | None, typer.Option(help="Of this topic.")]
Key = Annotated[str | None, typer.Option(help="With this key.")]
Partition = Annotated[int | None, typer.Option(help="Of this partition.")]
FirstOffset = Annotated[int | None, typer.Option(help="From this offset on.")]
LastOffset = Annotated[int | None, typer.Option(help="Up to this offset.")]
Everything = Annotated[bool, typer.Option("--all", help="All of them.")]

dlq = typer.Typer(
    help="List, show, replay or drop messages that a service could not handle.", no_args_is_help=True
)


@dlq.command("list")
def list_letters(
    service: Service = None,
    topic: Topic = None,
    key: Key = None,
    partition: Partition = None,
    as_json: AsJson = False,
) -> None:
    """Show which messages stopped, and why."""
    workers, params = Workers(), selection(topic=topic, key=key, partition=partition)
    found: list[Answer] = []
    for name in services(service):
        answer = workers.ask(name, "GET", PATH, params={**params, "limit": MOST}, may_miss=True)
        found += ({"service": name, **item} for item in _parked(answer))
        _tell_of_more(name, answer)
    if as_json:
        print_json(found)
    elif found:
        print_table(COLUMNS, (_row(item) for item in found))
    else:
        print("No message is parked.")


@dlq.command()
def show(id_: Annotated[uuid.UUID, typer.Argument(metavar="ID")], service: Service = None) -> None:
    """Show one message with headers and payload; it is recorded that you looked."""
    what = f"a parked message {id_}"
    name, message = Workers().whoever_has(what, services(service), "GET", f"{PATH}/{id_}")
    print_json({"service": name, **message})


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
    wanted = selection(
        id=id_, topic=topic, key=key, partition=partition, first_offset=first_offset, last_offset=last_offset
    )
    _act("replay", "replayed", wanted, service=service, everything=everything, dry_run=dry_run)


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
    wanted = selection(
        id=id_, topic=topic, key=key, partition=partition, first_offset=first_offset, last_offset=last_offset
    )
    _act("drop", "dropped", wanted, service=service, everything=everything, dry_run=dry_run)


def _act(
    verb: str, done: str, wanted: dict[str, Any], *, service: str | None, everything: bool, dry_run: bool
) -> None:
    if not wanted and not everything:
        raise typer.BadParameter(f"say what to {verb}: an id, --topic, --key, --partition, offsets or --all")
    asked = services(service)
    workers = Workers()
    found, refused = 0, 0
    would = "would be " if dry_run else ""
    body = {**wanted, "everything": everything, "dry_run": dry_run}
    for name in asked:
        answer = workers.ask(name, "POST", f"{PATH}/{verb}", json=body, may_miss=True)
        for one in cast("list[str]", answer.get("done", [])):
            found += 1
            print(f"{name}: {one} {would}{done}")
        for one in cast("list[dict[str, str]]", answer.get("refused", [])):
            refused += 1
            print(f"{name}: {one['id']} not {done}: {one['reason']}")
        _tell_of_more(name, answer)
    if "id" in wanted and not found and not refused:
        raise SupervisorError(f"no service has a parked message {wanted['id']}")
    if not found and not refused:
        print(f"No parked message fits; none {would or 'was '}{done}.")
    if refused:
        raise typer.Exit(1)


def _tell_of_more(name: str, answer: Answer) -> None:
    if answer.get("more"):
        print(f"{name}: more fit than these; narrow what you ask for, or ask again.", file=sys.stderr)


def _parked(answer: Answer) -> list[Answer]:
    return cast("list[Answer]", answer.get("items", []))


def _row(item: Answer) -> tuple[object, ...]:
    why = f"{item['kind']}: {item['error_class']} {item['error_detail']}"
    known = (item["service"], item["id"], item["topic"], item["key"], item["event_type"])
    return (*known, why, item["attempts"], item["parked_at"])
