from collections.abc import Iterator
from uuid import uuid4

import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from common.contracts.topics import TOPICS
from quartet_cli.stack import Stack
from quartet_cli.topic_rights import exactly, wanted_acls
from quartet_cli.topics import Applied, DestructiveChangeError, apply, stack_admin, standing_topics
from tests.support.waiting import eventually

RIGHTS = len(wanted_acls(installation=""))


@pytest.fixture
def admin() -> AdminClient:
    return stack_admin(Stack.current())


@pytest.fixture
def installation(admin: AdminClient) -> Iterator[str]:
    """One that no other test has; its topics and rights go with it."""
    name = f"t{uuid4().hex[:8]}-"
    yield name
    made = list(standing_topics(admin, name))
    for future in admin.delete_topics(made).values() if made else ():
        future.result(timeout=15)
    own = [exactly(acl) for acl in wanted_acls(installation=name)]
    for future in admin.delete_acls(own).values():
        future.result(timeout=15)


class TestApply:
    async def test_makes_what_is_missing_and_then_nothing(self, admin, installation):
        first = await settled(admin, installation)
        second = apply(admin, installation=installation, partitions=1)

        assert set(first.created) == {installation + topic.name for topic in TOPICS}
        assert first.rights_granted == RIGHTS
        assert (second.created, second.rights_granted, second.rights_withdrawn) == ((), 0, 0)

    def test_only_tells_when_it_is_to_be_dry(self, admin, installation):
        told = apply(admin, installation=installation, partitions=1, dry_run=True)

        assert len(told.created) == len(TOPICS)
        assert standing_topics(admin, installation) == {}
        assert apply(admin, installation=installation, partitions=1, dry_run=True) == told

    async def test_touches_nothing_when_order_would_be_lost(self, admin, installation):
        await settled(admin, installation)

        with pytest.raises(DestructiveChangeError, match="order is lost"):
            apply(admin, installation=installation, partitions=2)

        assert {topic.partitions for topic in standing_topics(admin, installation).values()} == {1}

    async def test_withdraws_a_right_that_no_contract_gives(self, admin, installation):
        await settled(admin, installation)
        await given(admin, right(f"{installation}auth.user.v1", AclOperation.WRITE))
        await given(admin, right(installation, AclOperation.READ, pattern=ResourcePatternType.PREFIXED))

        assert apply(admin, installation=installation, partitions=1).rights_withdrawn == 2

    async def test_leaves_what_an_operator_denied(self, admin, installation):
        await settled(admin, installation)
        denied = right(f"{installation}auth.user.v1", AclOperation.READ, allow=False)
        await given(admin, denied)

        assert apply(admin, installation=installation, partitions=1).rights_withdrawn == 0

        (withdrawn,) = admin.delete_acls([exactly(denied)]).values()
        assert len(withdrawn.result(timeout=15)) == 1


async def settled(admin: AdminClient, installation: str) -> Applied:
    """The broker tells of what it was asked for a moment later."""
    applied = apply(admin, installation=installation, partitions=1)

    def stands() -> bool:
        missing = apply(admin, installation=installation, partitions=1, dry_run=True)
        return (missing.created, missing.rights_granted) == ((), 0)

    await eventually(stands)
    return applied


def right(
    name: str,
    operation: AclOperation,
    *,
    pattern: ResourcePatternType = ResourcePatternType.LITERAL,
    allow: bool = True,
) -> AclBinding:
    kind = AclPermissionType.ALLOW if allow else AclPermissionType.DENY
    return AclBinding(ResourceType.TOPIC, name, pattern, "User:chat", "*", operation, kind)


async def given(admin: AdminClient, acl: AclBinding) -> None:
    for future in admin.create_acls([acl]).values():
        future.result(timeout=15)
    await eventually(lambda: admin.describe_acls(exactly(acl)).result(timeout=15))
