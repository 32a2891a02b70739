"""Who may touch which topics, groups and transactional ids, made from the contracts."""

# pyright: reportPrivateImportUsage=false
# confluent_kafka.admin documents these names and does not list them as exported.

from typing import Any, cast

from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from common.contracts.topics import SERVICES, heard_by, resource_prefix
from quartet_cli.kafka_admin import SECONDS, wait_for


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


def change_rights(admin: AdminClient, *, installation: str, dry_run: bool) -> tuple[int, int]:
    """How many were missing and how many too many."""
    wanted = {repr(acl): acl for acl in wanted_acls(installation=installation)}
    standing = {repr(acl): acl for acl in _standing_acls(admin, installation)}
    missing = [acl for name, acl in wanted.items() if name not in standing]
    surplus = [acl for name, acl in standing.items() if name not in wanted]
    if missing and not dry_run:
        wait_for(admin.create_acls(missing).values())
    if surplus and not dry_run:
        wait_for(admin.delete_acls([exactly(acl) for acl in surplus]).values())
    return len(missing), len(surplus)


def _standing_acls(admin: AdminClient, installation: str) -> list[AclBinding]:
    """What lets this installation's services do something with its names: others may share the cluster.

    What denies something is an operator's, and stays.
    """
    anything: Any = None
    everything = AclBindingFilter(
        *(ResourceType.ANY, anything, ResourcePatternType.ANY, anything, anything),
        *(AclOperation.ANY, AclPermissionType.ANY),
    )
    prefixes = tuple(resource_prefix(service, installation=installation) for service in SERVICES)
    principals = {f"User:{service}" for service in SERVICES}
    found = cast("list[AclBinding]", admin.describe_acls(everything).result(timeout=SECONDS))
    allowed = (acl for acl in found if acl.permission_type == AclPermissionType.ALLOW)
    return [acl for acl in allowed if acl.principal in principals and reaches(acl, prefixes)]


def reaches(acl: AclBinding, prefixes: tuple[str, ...]) -> bool:
    """A right to names that begin so, a wider one that covers such names, or one to the whole cluster."""
    name = str(acl.name)
    if acl.restype == ResourceType.BROKER or name == "*":
        return True
    wider = acl.resource_pattern_type == ResourcePatternType.PREFIXED
    return name.startswith(prefixes) or (wider and any(prefix.startswith(name) for prefix in prefixes))


def _allow(
    service: str, kind: ResourceType, name: str, pattern: ResourcePatternType, operation: AclOperation
) -> list[AclBinding]:
    return [
        AclBinding(kind, name, pattern, f"User:{service}", "*", allowed, AclPermissionType.ALLOW)
        for allowed in (operation, AclOperation.DESCRIBE)
    ]


def exactly(acl: Any) -> AclBindingFilter:
    return AclBindingFilter(
        acl.restype,
        acl.name,
        acl.resource_pattern_type,
        acl.principal,
        acl.host,
        acl.operation,
        acl.permission_type,
    )
