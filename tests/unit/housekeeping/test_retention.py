import pytest
from pydantic import ValidationError

from common.contracts.topics import TOPICS
from common.housekeeping.tasks import INBOX_KEPT, REPLAY_AGE, TABLES
from common.settings import ParkedSettings


class TestInbox:
    @pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
    def test_remembers_longer_than_an_event_can_come_again(self, topic):
        assert topic.retention + REPLAY_AGE <= INBOX_KEPT

    def test_is_forgotten_by_whole_partitions(self):
        assert {table.table: table.kept for table in TABLES}["inbox"] == INBOX_KEPT


class TestParkedMessages:
    def test_are_kept_for_as_long_as_the_inbox_at_least(self):
        with pytest.raises(ValidationError):
            ParkedSettings(kept_days=INBOX_KEPT.days - 1)

        assert ParkedSettings(kept_days=INBOX_KEPT.days)
