"""Everything that a stack is made of, in the order in which a person would start it."""

from dataclasses import replace

from quartet_cli.stack.bootstrap import roles_part, topics_part
from quartet_cli.stack.description import DEVELOPMENT, Stack
from quartet_cli.stack.kafka import kafka_part
from quartet_cli.stack.kafka_jars import jars_part
from quartet_cli.stack.mail import mail_part
from quartet_cli.stack.nginx import gateway_part
from quartet_cli.stack.part import Part
from quartet_cli.stack.pgbouncer import pgbouncer_part
from quartet_cli.stack.postgres import postgres_part
from quartet_cli.stack.redis import redis_part
from quartet_cli.stack.services import migration_part, process_parts
from quartet_cli.stack.table import ENTRIES


def server_parts(stack: Stack) -> tuple[Part, ...]:
    """What tests of a service's insides need: storage, pooler and events, with roles but no tables."""
    return (
        postgres_part(stack),
        redis_part(stack),
        jars_part(stack),
        kafka_part(stack),
        roles_part(stack),
        pgbouncer_part(stack),
        topics_part(stack),
    )


def build_parts(stack: Stack) -> tuple[Part, ...]:
    parts = _whole(stack)
    if stack.name == DEVELOPMENT:
        return parts
    # tests kill the same part again and again, and wait for it
    return tuple(replace(part, longest_pause_seconds=1.0) for part in parts)


def _whole(stack: Stack) -> tuple[Part, ...]:
    return (
        *server_parts(stack),
        gateway_part(stack),
        mail_part(stack),
        *(migration_part(stack, entry) for entry in ENTRIES),
        *(part for entry in ENTRIES for part in process_parts(stack, entry)),
    )
