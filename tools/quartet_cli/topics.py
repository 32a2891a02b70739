"""Topics and who may touch them, made from the contracts; what would lose or reorder events is refused."""

# pyright: reportPrivateImportUsage=false
# confluent_kafka.admin documents these names and does not list them as exported.

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, cast

from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewTopic

from common.contracts.topics import TOPICS, Topic
from quartet_cli.kafka_admin import SECONDS, admin_client, wait_for
from quartet_cli.stack.description import HOST, Stack
from quartet_cli.topic_rights import change_rights

LOCAL_PARTITIONS = 3


class DestructiveChangeError(Exception):
    """Says for each topic what is asked for, what stands, and what to do instead."""


@dataclass(frozen=True)
class Standing:
    """A topic as the cluster has it."""

    partitions: int
    retention_ms: int
    cleanup_policy: str


@dataclass
class Plan:
    create: list[str] = field(default_factory=list[str])
    keep_longer: dict[str, int] = field(default_factory=dict[str, int])
    refused: list[str] = field(default_factory=list[str])


@dataclass(frozen=True)
class Applied:
    created: tuple[str, ...]
    kept_longer: tuple[str, ...]
    rights_granted: int
    rights_withdrawn: int


def plan_topics(
    topics: Iterable[Topic], standing: dict[str, Standing], *, installation: str, partitions: int | None
) -> Plan:
    plan = Plan()
    for topic in topics:
        name = installation + topic.name
        found = standing.get(name)
        if found is None:
            plan.create.append(name)
            continue
        wanted_partitions = partitions or topic.partitions
        if found.partitions != wanted_partitions:
            plan.refused.append(
                f"{name} has {found.partitions} partitions and {wanted_partitions} are asked for: that moves "
                "keys to other partitions, so their order is lost. Make a new topic version instead."
            )
        if found.cleanup_policy != "delete":
            plan.refused.append(f"{name} is compacted ({found.cleanup_policy}): events would disappear.")
        wanted_ms = _retention_ms(topic)
        if 0 <= wanted_ms < found.retention_ms or found.retention_ms < 0:
            plan.refused.append(
                f"{name} keeps events for {found.retention_ms} ms and {wanted_ms} ms are asked for: Kafka "
                "would delete events that nobody may have read. Lower it by hand if that is meant."
            )
        elif wanted_ms > found.retention_ms:
            plan.keep_longer[name] = wanted_ms
    return plan


def stack_admin(stack: Stack) -> AdminClient:
    return admin_client(
        f"{HOST}:{stack.ports['kafka']}",
        ca_file=str(stack.ca_file),
        certificate_file=str(stack.certificates / "operator.crt"),
        key_file=str(stack.certificates / "operator.key"),
    )


def apply_topics(stack: Stack, worker: str = "") -> Applied:
    """Brings topics and rights up to date for the stack, or for one test worker's share of it."""
    installation = f"{worker}-" if worker else ""
    return apply(stack_admin(stack), installation=installation, partitions=LOCAL_PARTITIONS)


def apply(
    admin: AdminClient,
    *,
    installation: str = "",
    partitions: int | None = None,
    replication: int = 1,
    dry_run: bool = False,
) -> Applied:
    """All or nothing: with one refusal neither topics nor rights are touched."""
    plan = plan_topics(
        TOPICS, standing_topics(admin, installation), installation=installation, partitions=partitions
    )
    if plan.refused:
        raise DestructiveChangeError("\n".join(plan.refused))
    if not dry_run:
        _create(admin, plan.create, installation, partitions, replication)
        _keep_longer(admin, plan.keep_longer)
    granted, withdrawn = change_rights(admin, installation=installation, dry_run=dry_run)
    return Applied(tuple(plan.create), tuple(plan.keep_longer), granted, withdrawn)


def standing_topics(admin: AdminClient, installation: str) -> dict[str, Standing]:
    wanted = {installation + topic.name for topic in TOPICS}
    metadata = admin.list_topics(timeout=SECONDS)
    counts = {name: len(topic.partitions) for name, topic in metadata.topics.items() if name in wanted}
    if not counts:
        return {}
    resources = [ConfigResource(ConfigResource.Type.TOPIC, name) for name in counts]
    found: dict[str, Standing] = {}
    for resource, future in admin.describe_configs(resources).items():
        settings = cast("dict[str, Any]", future.result(timeout=SECONDS))
        found[resource.name] = Standing(
            partitions=counts[resource.name],
            retention_ms=int(settings["retention.ms"].value),
            cleanup_policy=settings["cleanup.policy"].value,
        )
    return found


def _create(
    admin: AdminClient, names: list[str], installation: str, partitions: int | None, replication: int
) -> None:
    if not names:
        return
    topics = {installation + topic.name: topic for topic in TOPICS}
    wanted = [
        NewTopic(
            name,
            num_partitions=partitions or topics[name].partitions,
            replication_factor=replication,
            config={
                "retention.ms": str(_retention_ms(topics[name])),
                "cleanup.policy": "delete",
                # acknowledged by all but one: a broker may be away, and what was acknowledged is there
                "min.insync.replicas": str(max(1, replication - 1)),
            },
        )
        for name in names
    ]
    wait_for(admin.create_topics(wanted).values())


def _keep_longer(admin: AdminClient, retention_ms: dict[str, int]) -> None:
    if not retention_ms:
        return
    changes = [
        ConfigResource(
            ConfigResource.Type.TOPIC,
            name,
            incremental_configs=[
                ConfigEntry("retention.ms", str(wanted), incremental_operation=AlterConfigOpType.SET)
            ],
        )
        for name, wanted in retention_ms.items()
    ]
    wait_for(admin.incremental_alter_configs(changes).values())


def _retention_ms(topic: Topic) -> int:
    return int(topic.retention.total_seconds() * 1000)
