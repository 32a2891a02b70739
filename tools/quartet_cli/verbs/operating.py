"""What the verbs for operators share: they ask each service's worker at its internal port, by certificate."""

import json
import ssl
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
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

REQUEST_SECONDS = 60.0

Service = Annotated[str | None, typer.Option("--service", "-s", help="auth, profile, …; without: all.")]
AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only tell what would be done.")]

Answer = dict[str, Any]


def services(service: str | None) -> list[str]:
    names = [entry.name for entry in ENTRIES]
    if service is not None and service not in names:
        raise typer.BadParameter(f"services are {', '.join(names)}")
    return [service] if service else names


def selection(**given: object) -> dict[str, Any]:
    """What was named."""
    return {
        name: str(value) if isinstance(value, uuid.UUID) else value
        for name, value in given.items()
        if value is not None
    }


class Workers:
    """The workers of the stack that is meant."""

    def __init__(self) -> None:
        self._stack = chosen()
        self._context = _context(self._stack)

    def ask(self, service: str, method: str, path: str, *, may_miss: bool = False, **request: Any) -> Answer:
        """A proxy of this shell is never used for it. `may_miss` makes an empty answer of a 404: who listens
        to nothing, or seals nothing, has no such paths."""
        url = f"https://{HOST}:{self._stack.ports[f'{service}-worker-internal']}/internal/v1/{path}"
        try:
            with httpx.Client(verify=self._context, trust_env=False, timeout=REQUEST_SECONDS) as client:
                answer = client.request(method, url, **request)
        except httpx.TransportError as error:
            raise SupervisorError(f"{service}-worker does not answer ({error}): ./quartet status") from None
        if may_miss and answer.status_code == HTTPStatus.NOT_FOUND:
            return {}
        if answer.is_error:
            raise SupervisorError(f"{service}-worker: {answer.status_code} {_detail(answer)}")
        return cast("Answer", answer.json())

    def pages(self, service: str, path: str, *, limit: int, params: dict[str, Any]) -> Iterator[Answer]:
        """At most `limit` items, however many pages they stand on."""
        cursor: dict[str, Any] = {}
        while limit > 0:
            size = min(limit, 200)
            page = self.ask(service, "GET", path, params={**params, **cursor, "limit": size})
            items = cast("list[Answer]", page["items"])
            yield from items
            limit -= len(items)
            if page["next_cursor"] is None:
                return
            cursor = {"cursor": page["next_cursor"]}

    def whoever_has(self, what: str, asked: Sequence[str], method: str, path: str) -> tuple[str, Answer]:
        """The first service that knows it."""
        for name in asked:
            answer = self.ask(name, method, path, may_miss=True)
            if answer:
                return name, answer
        raise SupervisorError(f"no service has {what}")


def print_table(columns: Iterable[str], rows: Iterable[Sequence[object]]) -> None:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(escape("" if cell is None else str(cell)) for cell in row))
    Console(highlight=False).print(table)


def print_json(found: object) -> None:
    print(json.dumps(found, indent=2))


def pause(seconds: float) -> None:
    time.sleep(seconds)


def _context(stack: Stack) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(stack.ca_file))
    context.load_cert_chain(stack.certificates / "operator.crt", stack.certificates / "operator.key")
    return context


def _detail(answer: httpx.Response) -> str:
    try:
        return str(answer.json().get("detail", answer.text))
    except ValueError:
        return answer.text
