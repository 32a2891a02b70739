from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest

from common.housekeeping.months import Month


def id_at(moment: datetime, rest: int) -> UUID:
    """A UUIDv7 of that millisecond."""
    return UUID(int=(int(moment.timestamp() * 1000) << 80) | (7 << 76) | rest)


class TestMonth:
    def test_goes_over_into_the_next_year(self):
        assert Month(2026, 12).next == Month(2027, 1)
        assert Month(2026, 12).ends_at == datetime(2027, 1, 1, tzinfo=UTC)

    def test_is_that_of_utc(self):
        assert Month.of(datetime(2027, 1, 1, 0, 30, tzinfo=timezone(timedelta(hours=2)))) == Month(2026, 12)

    def test_holds_every_id_made_in_it_and_none_of_the_millisecond_before(self):
        month = Month(2026, 11)

        assert id_at(month.begins_at - timedelta(milliseconds=1), rest=2**62) < month.first_id
        assert month.first_id <= id_at(month.begins_at, rest=0)
        assert id_at(month.ends_at - timedelta(milliseconds=1), rest=2**62) < month.next.first_id

    def test_is_read_from_the_name_of_its_partition(self):
        assert Month.of_suffix(Month(2026, 11).suffix) == Month(2026, 11)

    @pytest.mark.parametrize("suffix", ["default", "y2026", "y2026m13", "m1", "yxmx", ""])
    def test_is_not_read_from_other_names(self, suffix):
        assert Month.of_suffix(suffix) is None
