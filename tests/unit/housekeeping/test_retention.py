import pytest

from common.contracts.topics import TOPICS
from common.housekeeping.tasks import INBOX_KEPT, REPLAY_AGE, TABLES


class TestInbox:
    @pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
    def test_remembers_longer_than_an_event_can_come_again(self, topic):
        assert topic.retention + REPLAY_AGE <= INBOX_KEPT

    def test_is_forgotten_by_whole_partitions(self):
        assert {table.table: table.kept for table in TABLES}["inbox"] == INBOX_KEPT
