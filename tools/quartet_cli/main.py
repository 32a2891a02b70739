"""The command `./quartet`: every verb, and what a failure looks like."""

import sys

import typer

from quartet_cli.stack.errors import StackError
from quartet_cli.supervisor.client import SupervisorError
from quartet_cli.verbs import stack
from quartet_cli.verbs.benches import bench
from quartet_cli.verbs.dead_letters import dlq
from quartet_cli.verbs.doctoring import doctor
from quartet_cli.verbs.environment import env
from quartet_cli.verbs.jobs import jobs
from quartet_cli.verbs.keys import keys
from quartet_cli.verbs.locking import lock
from quartet_cli.verbs.mailing import mail
from quartet_cli.verbs.seeding import seed
from quartet_cli.verbs.testing_verb import run_tests
from quartet_cli.verbs.topics_verb import topics

FAILED = 1
TOLD = (SupervisorError, StackError, PermissionError)

app = typer.Typer(
    name="quartet",
    help="Quartet on this machine: start it, look into it, test it. State lives in var/.",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def verbs(context: typer.Context) -> None:
    """Quartet on this machine: start it, look into it, test it. State lives in var/."""
    if context.invoked_subcommand is None:
        print(context.get_help())


for verb in (
    *(stack.up, stack.down, stack.restart, stack.status, stack.logs),
    *(seed, mail, bench, env, doctor, lock),
):
    app.command()(verb)
app.command("test")(run_tests)
for name, verbs_of in (("dlq", dlq), ("jobs", jobs), ("keys", keys)):
    app.add_typer(verbs_of, name=name)
app.add_typer(topics, name="topics")


def main() -> None:
    """Ends with 0 when it was done, 1 when it failed, 2 when it was asked wrongly."""
    try:
        app(prog_name="./quartet")
    except TOLD as error:
        print(f"quartet: {error}", file=sys.stderr)
        raise SystemExit(FAILED) from None
    except BrokenPipeError:
        # `./quartet logs | head` is no failure worth a traceback.
        sys.stderr.close()
        raise SystemExit(FAILED) from None


if __name__ == "__main__":
    main()
