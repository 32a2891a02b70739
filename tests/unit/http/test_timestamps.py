from datetime import UTC, datetime, timedelta, timezone

import pytest
from pydantic import TypeAdapter

from common.http.timestamps import Timestamp

MOMENT = datetime(2026, 11, 22, 10, 0, 0, 123_987, tzinfo=UTC)


class TestTimestamp:
    @pytest.mark.parametrize(
        ("moment", "written"),
        [
            (MOMENT, "2026-11-22T10:00:00.123Z"),
            (MOMENT.replace(microsecond=0), "2026-11-22T10:00:00.000Z"),
            (MOMENT.astimezone(timezone(timedelta(hours=5, minutes=30))), "2026-11-22T10:00:00.123Z"),
        ],
    )
    def test_is_written_in_utc_with_milliseconds(self, moment: datetime, written: str):
        assert TypeAdapter(Timestamp).dump_json(moment) == f'"{written}"'.encode()
