"""keys: what fields are sealed with in the database, asked of each service's worker."""

from typing import Annotated, cast

import typer

from quartet_cli.supervisor.client import SupervisorError
from quartet_cli.verbs.jobs import progress_of
from quartet_cli.verbs.operating import (
    Answer,
    AsJson,
    DryRun,
    Service,
    Workers,
    pause,
    print_json,
    print_table,
    services,
)

COLUMNS = ("service", "key", "it", "rows", "where")
POLL_SECONDS = 0.5

NoWait = Annotated[bool, typer.Option("--no-wait", help="Leave the job to itself.")]

keys = typer.Typer(help="List the encryption keys, or seal everything anew.", no_args_is_help=True)


@keys.command("list")
def list_keys(service: Service = None, as_json: AsJson = False) -> None:
    """Show which keys there are, and how many rows need each; a key that no row needs may go."""
    workers = Workers()
    found = [
        {"service": name, **key}
        for name in services(service)
        for key in cast("list[Answer]", workers.ask(name, "GET", "keys", may_miss=True).get("items", []))
    ]
    if as_json:
        print_json(found)
        return
    print_table(COLUMNS, (_row(key) for key in found))
    if missing := [f"{key['service']}: {key['id']}" for key in found if not key["known"]]:
        raise SupervisorError(f"rows are sealed with keys that are missing: {', '.join(missing)}")


@keys.command()
def rotate(service: Service = None, dry_run: DryRun = False, no_wait: NoWait = False) -> None:
    """Seal anew, in a job, what is sealed with another key than the active one."""
    workers = Workers()
    for name in services(service):
        answer = workers.ask(name, "POST", "keys/rotate", may_miss=True, json={"dry_run": dry_run})
        if not answer:
            continue
        if answer["job_id"] is None:
            rows = answer["rows"]
            print(f"{name}: {rows} values would be sealed anew" if rows else f"{name}: nothing to do")
            continue
        print(f"{name}: {answer['rows']} values to seal anew, by job {answer['job_id']}")
        if not no_wait:
            _follow(workers, name, answer["job_id"])


def _follow(workers: Workers, service: str, job_id: str) -> None:
    """Until it has ended, by whichever worker."""
    told = ""
    while True:
        job = workers.ask(service, "GET", f"jobs/{job_id}")
        if (progress := progress_of(job)) != told:
            told = progress
            print(f"{service}: {progress}")
        if job["finished_at"] is not None:
            break
        pause(POLL_SECONDS)
    if job["state"] != "succeeded":
        raise SupervisorError(f"{service}: the job has {job['state']}: {job['error'] or 'it was cancelled'}")
    print(f"{service}: done, {job['result']['left']} values left with another key")


def _row(key: Answer) -> tuple[object, ...]:
    it = "seals" if key["active"] else "opens" if key["known"] else "is missing"
    where = ", ".join(f"{column}: {rows}" for column, rows in key["rows"].items())
    return (key["service"], key["id"], it, sum(key["rows"].values()), where)
