from datetime import UTC, date, datetime

import pytest

from chat_service.domain.weeks import week_start


class TestWeek:
    @pytest.mark.parametrize("day", range(23, 30))
    def test_begins_on_its_monday(self, day: int):
        assert week_start(datetime(2026, 11, day, 23, 59, tzinfo=UTC)) == date(2026, 11, 23)
