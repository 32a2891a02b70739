"""jobs: work that outlives a request, asked of each service's worker."""

import uuid
from typing import Annotated, Literal

import typer

from quartet_cli.verbs.operating import (
    Answer,
    AsJson,
    Service,
    Workers,
    print_json,
    print_table,
    selection,
    services,
)

COLUMNS = ("service", "id", "kind", "state", "tries", "progress", "due or ended", "why")

Id = Annotated[uuid.UUID, typer.Argument(metavar="ID", help="One job.")]
Kind = Annotated[str | None, typer.Option(help="Of this kind.")]
State = Annotated[
    Literal["queued", "running", "succeeded", "failed", "cancelled"] | None,
    typer.Option(help="In this state."),
]
User = Annotated[uuid.UUID | None, typer.Option(help="Of this user.")]
Limit = Annotated[int, typer.Option(min=1, help="At most so many of each service, the newest first.")]

jobs = typer.Typer(help="List, show, cancel or retry jobs.", no_args_is_help=True)


@jobs.command("list")
def list_jobs(  # noqa: PLR0917 - typer makes options of them
    service: Service = None,
    kind: Kind = None,
    state: State = None,
    user: User = None,
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """Show which jobs wait, run or have ended, and why."""
    workers, params = Workers(), selection(kind=kind, state=state, user_id=user)
    found = [
        {"service": name, **job}
        for name in services(service)
        for job in workers.pages(name, "jobs", limit=limit, params=params)
    ]
    if as_json:
        print_json(found)
    elif found:
        print_table(COLUMNS, (_row(job) for job in found))
    else:
        print("No job fits.")


@jobs.command()
def show(id_: Id, service: Service = None) -> None:
    """Show all of one job."""
    _act("GET", id_, "", service)


@jobs.command()
def cancel(id_: Id, service: Service = None) -> None:
    """Ask a job to stop; a waiting one ends at once, a running one when its body stops."""
    _act("POST", id_, "/cancel", service)


@jobs.command()
def retry(id_: Id, service: Service = None) -> None:
    """Queue a failed or cancelled job again, with all its attempts; it goes on from its checkpoint."""
    _act("POST", id_, "/retry", service)


def _act(method: str, id_: uuid.UUID, verb: str, service: str | None) -> None:
    name, job = Workers().whoever_has(f"a job {id_}", services(service), method, f"jobs/{id_}{verb}")
    print_json({"service": name, **job})


def _row(job: Answer) -> tuple[object, ...]:
    return (
        job["service"],
        job["id"],
        job["kind"],
        "cancelling" if job["cancel_requested_at"] and not job["finished_at"] else job["state"],
        f"{job['attempts']} of {job['max_attempts']}" if job["max_attempts"] else job["attempts"],
        progress_of(job),
        job["finished_at"] or job["run_at"],
        job["error"],
    )


def progress_of(job: Answer) -> str:
    progress = job["progress"]
    if not progress:
        return ""
    return f"{progress['done']} of {progress['total']}" if progress.get("total") else str(progress["done"])
