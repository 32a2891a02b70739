from datetime import timedelta

import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)

from common.contracts.topics import TOPICS, USERS, Topic
from quartet_cli.topic_rights import reaches, wanted_acls
from quartet_cli.topics import Standing, plan_topics

WEEK_MS = 7 * 24 * 3600 * 1000
AS_DECLARED = Standing(partitions=12, retention_ms=WEEK_MS, cleanup_policy="delete")


def plan(standing: Standing | None, topic: Topic = USERS, partitions: int | None = None):
    found = {} if standing is None else {f"x-{topic.name}": standing}
    return plan_topics([topic], found, installation="x-", partitions=partitions)


class TestPlan:
    def test_creates_what_is_missing_and_leaves_the_rest(self):
        assert plan(None).create == ["x-auth.user.v1"]
        assert plan(AS_DECLARED) == plan_topics([], {}, installation="x-", partitions=None)

    def test_keeps_events_longer_when_asked(self):
        longer = Topic("auth.user.v1", (), retention=timedelta(days=8))

        assert plan(AS_DECLARED, longer).keep_longer == {"x-auth.user.v1": WEEK_MS // 7 * 8}

    @pytest.mark.parametrize(
        ("standing", "said"),
        [
            (Standing(3, WEEK_MS, "delete"), "order is lost"),
            (Standing(24, WEEK_MS, "delete"), "order is lost"),
            (Standing(12, WEEK_MS + 1, "delete"), "delete events"),
            (Standing(12, -1, "delete"), "delete events"),
            (Standing(12, WEEK_MS, "compact"), "compacted"),
        ],
    )
    def test_refuses_what_loses_events_or_their_order(self, standing: Standing, said: str):
        (refusal,) = plan(standing).refused

        assert said in refusal
        assert "x-auth.user.v1" in refusal


class TestRights:
    def test_a_service_writes_its_own_prefix_and_reads_what_it_listens_to(self):
        rights = {
            (acl.principal, acl.restype.name, acl.name, acl.operation.name, acl.resource_pattern_type.name)
            for acl in wanted_acls(installation="x-")
        }

        written = {right for right in rights if right[3] == "WRITE"}
        assert {(principal[5:], name) for principal, _, name, _, _ in written} == {
            (service, f"x-{service}.") for service in ("auth", "profile", "calendar", "chat")
        }
        read = {(right[0], right[2]) for right in rights if right[1] == "TOPIC" and right[3] == "READ"}
        assert read == {(f"User:{s}", f"x-{topic.name}") for topic in TOPICS for s in topic.listeners}

    @pytest.mark.parametrize(
        ("kind", "name", "pattern"),
        [
            (ResourceType.TOPIC, "x-auth.user.v1", ResourcePatternType.LITERAL),
            (ResourceType.TOPIC, "x-auth.", ResourcePatternType.PREFIXED),
            (ResourceType.TOPIC, "x-", ResourcePatternType.PREFIXED),
            (ResourceType.GROUP, "*", ResourcePatternType.LITERAL),
            (ResourceType.BROKER, "kafka-cluster", ResourcePatternType.LITERAL),
        ],
    )
    def test_are_looked_at_when_they_reach_a_name_of_the_installation(self, kind, name, pattern):
        assert reaches(allowed(kind, name, pattern), ("x-auth.", "x-chat."))

    @pytest.mark.parametrize(
        ("name", "pattern"),
        [
            ("y-auth.user.v1", ResourcePatternType.LITERAL),
            ("y-", ResourcePatternType.PREFIXED),
            ("x-", ResourcePatternType.LITERAL),
        ],
    )
    def test_are_left_alone_when_they_reach_none(self, name, pattern):
        assert not reaches(allowed(ResourceType.TOPIC, name, pattern), ("x-auth.", "x-chat."))


def allowed(kind: ResourceType, name: str, pattern: ResourcePatternType) -> AclBinding:
    return AclBinding(kind, name, pattern, "User:chat", "*", AclOperation.READ, AclPermissionType.ALLOW)
