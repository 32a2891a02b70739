"""topics: who writes what and who listens; made and brought up to date on any cluster."""

from pathlib import Path
from typing import Annotated

import typer
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from rich.console import Console
from rich.table import Table

from common.contracts.topics import TOPICS
from quartet_cli.kafka_admin import admin_client
from quartet_cli.supervisor.client import SupervisorError
from quartet_cli.topics import LOCAL_PARTITIONS, Applied, DestructiveChangeError, apply, stack_admin
from quartet_cli.verbs.lifecycle import chosen

CaFile = Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="The cluster's authority.")]
CertificateFile = Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="The operator's.")]
KeyFile = Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="Of that certificate.")]

topics = typer.Typer(help="Topics, their writers and listeners.", invoke_without_command=True)


@topics.callback()
def show(context: typer.Context) -> None:
    """Show every topic with its writer and listeners; `up` and `topics apply` make them."""
    if context.invoked_subcommand is not None:
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("topic", "written by", "listened to by", "partitions", "kept"):
        table.add_column(column, no_wrap=True)
    for topic in TOPICS:
        listeners = ", ".join(topic.listeners) or "nobody yet"
        kept = f"{topic.retention.days} days"
        table.add_row(topic.name, topic.service, listeners, str(topic.partitions), kept)
    console = Console(highlight=False)
    console.print(table)
    console.print(f"The local stack makes {LOCAL_PARTITIONS} partitions of each.", style="dim")


@topics.command("apply")
def apply_to_cluster(
    *,
    bootstrap: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Without: the local stack's.")
    ] = None,
    ca_file: CaFile = None,
    certificate_file: CertificateFile = None,
    key_file: KeyFile = None,
    installation: Annotated[str, typer.Option(help="Before all names, as KAFKA_INSTALLATION.")] = "",
    replication: Annotated[int, typer.Option(min=1, help="Replicas of a new topic.")] = 3,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would be done.")] = False,
) -> None:
    """Make missing topics and rights, withdraw surplus rights, refuse what would lose or reorder events."""
    try:
        if bootstrap is None:
            applied = apply(
                stack_admin(chosen()),
                installation=installation,
                partitions=LOCAL_PARTITIONS,
                dry_run=dry_run,
            )
        else:
            admin = _operator(bootstrap, ca_file, certificate_file, key_file)
            applied = apply(admin, installation=installation, replication=replication, dry_run=dry_run)
    except DestructiveChangeError as error:
        raise SupervisorError(f"nothing was changed:\n{error}") from None
    except KafkaException as error:
        raise SupervisorError(f"Kafka says: {error.args[0].str()}") from None
    for line in _told(applied, dry_run=dry_run):
        typer.echo(line)


def _operator(bootstrap: str, ca: Path | None, certificate: Path | None, key: Path | None) -> AdminClient:
    if ca is None or certificate is None or key is None:
        raise typer.BadParameter("--bootstrap goes with --ca-file, --certificate-file and --key-file")
    return admin_client(bootstrap, ca_file=str(ca), certificate_file=str(certificate), key_file=str(key))


def _told(applied: Applied, *, dry_run: bool) -> list[str]:
    would = "would be " if dry_run else ""
    lines = [f"{name} {would}made" for name in applied.created]
    lines += [f"{name} {would}kept longer" for name in applied.kept_longer]
    if applied.rights_granted or applied.rights_withdrawn:
        lines.append(
            f"rights: {applied.rights_granted} {would}granted, {applied.rights_withdrawn} {would}withdrawn"
        )
    return lines or ["everything is as it should be"]
