"""Topics and who may touch them, made from the contracts; what would lose or reorder events is refused."""

# pyright: reportPrivateImportUsage=false
# confluent_kafka.admin documents these names and does not list them as exported.

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, cast

from confluent_kafka import KafkaException
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourcePatternType,
    ResourceType,
)

from common.contracts.topics import SERVICES, TOPICS, Topic, heard_by, resource_prefix
from quartet_cli.stack.description import HOST, Stack

LOCAL_PARTITIONS = 3
_SECONDS = 15.0


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
    acls_added: int
    acls_removed: int


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


def wanted_acls(*, installation: str) -> list[AclBinding]:
    """A service writes its own topics alone, reads what it listens to, and has groups and transactions."""
    prefixed, literal = ResourcePatternType.PREFIXED, ResourcePatternType.LITERAL
    acls: list[AclBinding] = []
    for service in SERVICES:
        prefix = resource_prefix(service, installation=installation)
        for kind in (ResourceType.TOPIC, ResourceType.TRANSACTIONAL_ID):
            acls += _allow(service, kind, prefix, prefixed, AclOperation.WRITE)
        acls += _allow(service, ResourceType.GROUP, prefix, prefixed, AclOperation.READ)
        for topic in heard_by(service):
            name = installation + topic.name
            acls += _allow(service, ResourceType.TOPIC, name, literal, AclOperation.READ)
    return acls


def apply_topics(stack: Stack, worker: str = "", *, partitions: int | None = LOCAL_PARTITIONS) -> Applied:
    """Brings topics and rights up to date for the stack, or for one test worker's share of it."""
    admin = admin_client(
        f"{HOST}:{stack.ports['kafka']}",
        ca_file=str(stack.ca_file),
        certificate_file=str(stack.certificates / "operator.crt"),
        key_file=str(stack.certificates / "operator.key"),
    )
    return apply(admin, installation=f"{worker}-" if worker else "", partitions=partitions)


def admin_client(bootstrap: str, *, ca_file: str, certificate_file: str, key_file: str) -> AdminClient:
    return AdminClient(
        {
            "bootstrap.servers": bootstrap,
            "security.protocol": "SSL",
            "ssl.ca.location": ca_file,
            "ssl.certificate.location": certificate_file,
            "ssl.key.location": key_file,
            "client.id": "quartet-topics",
        }
    )


def apply(
    admin: AdminClient, *, installation: str, partitions: int | None = None, replication: int = 1
) -> Applied:
    """All or nothing as far as topics go: with one refusal no topic is touched."""
    plan = plan_topics(
        TOPICS, standing_topics(admin, installation), installation=installation, partitions=partitions
    )
    if plan.refused:
        raise DestructiveChangeError("\n".join(plan.refused))
    _create(admin, plan.create, installation, partitions, replication)
    _keep_longer(admin, plan.keep_longer)
    added, removed = _apply_acls(admin, installation)
    return Applied(tuple(plan.create), tuple(plan.keep_longer), added, removed)


def standing_topics(admin: AdminClient, installation: str) -> dict[str, Standing]:
    wanted = {installation + topic.name for topic in TOPICS}
    metadata = admin.list_topics(timeout=_SECONDS)
    counts = {name: len(topic.partitions) for name, topic in metadata.topics.items() if name in wanted}
    if not counts:
        return {}
    resources = [ConfigResource(ConfigResource.Type.TOPIC, name) for name in counts]
    found: dict[str, Standing] = {}
    for resource, future in admin.describe_configs(resources).items():
        settings = cast("dict[str, Any]", future.result(timeout=_SECONDS))
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
            config={"retention.ms": str(_retention_ms(topics[name])), "cleanup.policy": "delete"},
        )
        for name in names
    ]
    _wait(admin.create_topics(wanted).values())


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
    _wait(admin.incremental_alter_configs(changes).values())


def _apply_acls(admin: AdminClient, installation: str) -> tuple[int, int]:
    wanted = {repr(acl): acl for acl in wanted_acls(installation=installation)}
    standing = {repr(acl): acl for acl in _standing_acls(admin, installation)}
    missing = [acl for name, acl in wanted.items() if name not in standing]
    surplus = [acl for name, acl in standing.items() if name not in wanted]
    if missing:
        _wait(admin.create_acls(missing).values())
    if surplus:
        _wait(admin.delete_acls([_exactly(acl) for acl in surplus]).values())
    return len(missing), len(surplus)


def _standing_acls(admin: AdminClient, installation: str) -> list[AclBinding]:
    """Only what this installation's services have: others may share the cluster."""
    anything: Any = None
    everything = AclBindingFilter(
        *(ResourceType.ANY, anything, ResourcePatternType.ANY, anything, anything),
        *(AclOperation.ANY, AclPermissionType.ANY),
    )
    prefixes = tuple(resource_prefix(service, installation=installation) for service in SERVICES)
    principals = {f"User:{service}" for service in SERVICES}
    found = cast("list[AclBinding]", admin.describe_acls(everything).result(timeout=_SECONDS))
    return [acl for acl in found if acl.principal in principals and str(acl.name).startswith(prefixes)]


def _allow(
    service: str, kind: ResourceType, name: str, pattern: ResourcePatternType, operation: AclOperation
) -> list[AclBinding]:
    return [
        AclBinding(kind, name, pattern, f"User:{service}", "*", allowed, AclPermissionType.ALLOW)
        for allowed in (operation, AclOperation.DESCRIBE)
    ]


def _exactly(acl: Any) -> AclBindingFilter:
    return AclBindingFilter(
        acl.restype,
        acl.name,
        acl.resource_pattern_type,
        acl.principal,
        acl.host,
        acl.operation,
        acl.permission_type,
    )


def _retention_ms(topic: Topic) -> int:
    return int(topic.retention.total_seconds() * 1000)


def _wait(futures: Iterable[Any]) -> None:
    for future in futures:
        try:
            future.result(timeout=_SECONDS)
        except KafkaException as error:
            if error.args[0].name() != "TOPIC_ALREADY_EXISTS":  # somebody else made it in the same moment
                raise
