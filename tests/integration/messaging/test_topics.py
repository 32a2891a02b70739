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
from quartet_cli.topics import DestructiveChangeError, apply, stack_admin, standing_topics

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
    def test_makes_what_is_missing_and_then_nothing(self, admin, installation):
        first = apply(admin, installation=installation, partitions=1)
        second = apply(admin, installation=installation, partitions=1)

        assert set(first.created) == {installation + topic.name for topic in TOPICS}
        assert first.rights_granted == RIGHTS
        assert (second.created, second.rights_granted, second.rights_withdrawn) == ((), 0, 0)

    def test_only_tells_when_it_is_to_be_dry(self, admin, installation):
        told = apply(admin, installation=installation, partitions=1, dry_run=True)

        assert len(told.created) == len(TOPICS)
        assert standing_topics(admin, installation) == {}
        assert apply(admin, installation=installation, partitions=1, dry_run=True) == told

    def test_touches_nothing_when_order_would_be_lost(self, admin, installation):
        apply(admin, installation=installation, partitions=1)

        with pytest.raises(DestructiveChangeError, match="order is lost"):
            apply(admin, installation=installation, partitions=2)

        assert {topic.partitions for topic in standing_topics(admin, installation).values()} == {1}

    def test_withdraws_a_right_that_no_contract_gives(self, admin, installation):
        apply(admin, installation=installation, partitions=1)
        surplus = AclBinding(
            ResourceType.TOPIC,
            f"{installation}auth.user.v1",
            ResourcePatternType.LITERAL,
            "User:chat",
            "*",
            AclOperation.WRITE,
            AclPermissionType.ALLOW,
        )
        for future in admin.create_acls([surplus]).values():
            future.result(timeout=15)

        assert apply(admin, installation=installation, partitions=1).rights_withdrawn == 1
