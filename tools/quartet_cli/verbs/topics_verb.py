"""topics: who writes what, and who listens."""

from rich.console import Console
from rich.table import Table

from common.contracts.topics import TOPICS


def topics() -> None:
    """Show every topic with its writer and listeners; `up` makes them."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("topic", "written by", "listened to by", "partitions", "kept"):
        table.add_column(column, no_wrap=True)
    for topic in TOPICS:
        listeners = ", ".join(topic.listeners) or "nobody yet"
        kept = f"{topic.retention.days} days"
        table.add_row(topic.name, topic.service, listeners, str(topic.partitions), kept)
    Console(highlight=False).print(table)
