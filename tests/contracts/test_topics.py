import re

import pytest

from common.contracts.catalogue import PAYLOADS
from common.contracts.topics import SERVICES, TOPICS, heard_by, resource_prefix

each_topic = pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)


class TestTopics:
    @each_topic
    def test_are_named_service_aggregate_and_major_version(self, topic):
        assert re.fullmatch(r"[a-z]+\.[a-z]+\.v[1-9][0-9]*", topic.name)

    @each_topic
    def test_have_one_writer_and_it_is_a_service(self, topic):
        assert topic.service in SERVICES

    @each_topic
    def test_are_heard_by_services_only(self, topic):
        assert set(topic.listeners) <= set(SERVICES)
        assert len(set(topic.listeners)) == len(topic.listeners)

    @each_topic
    def test_carry_events_of_the_catalogue(self, topic):
        assert [payload for payload in PAYLOADS if payload.topic is topic]

    @each_topic
    def test_forget_what_they_carry(self, topic):
        assert 0 < topic.retention.days <= 7

    def test_are_named_once(self):
        assert len({topic.name for topic in TOPICS}) == len(TOPICS)

    def test_are_all_that_payloads_travel_on(self):
        assert {payload.topic for payload in PAYLOADS} <= set(TOPICS)

    @pytest.mark.parametrize("service", SERVICES)
    def test_are_found_from_the_listener(self, service):
        assert {topic.name for topic in heard_by(service)} == {
            topic.name for topic in TOPICS if service in topic.listeners
        }

    @each_topic
    def test_begin_with_their_writers_prefix(self, topic):
        assert f"gw0-{topic.name}".startswith(resource_prefix(topic.service, installation="gw0-"))

    def test_prefixes_of_services_do_not_contain_each_other(self):
        prefixes = [resource_prefix(service) for service in SERVICES]

        assert [(a, b) for a in prefixes for b in prefixes if a != b and a.startswith(b)] == []
