from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest

from common.clock import utc_now
from common.composition.worker import positions_of
from common.health.heartbeats import SILENT_AFTER
from common.health.watchdog import Progress
from common.messaging.consumer import PartitionProgress


@dataclass
class Standing:
    """A consumer whose one partition has something to do and does not move."""

    waits_for_database: bool = False
    progress: tuple[PartitionProgress, ...] = (PartitionProgress("auth.user.v1", 0, 9, 5, 0.0),)


@dataclass
class Heard:
    """A pulse that was felt once."""

    seen_at: datetime | None


class TestAWorkerThatStands:
    @pytest.mark.parametrize(
        ("waits_for_database", "kafka_silent_for", "stuck"),
        [
            (False, timedelta(0), ("auth.user.v1/0",)),
            (True, timedelta(0), ()),
            (False, SILENT_AFTER * 2, ()),
        ],
    )
    def test_is_stuck_unless_it_waits_for_what_is_away(
        self, waits_for_database: bool, kafka_silent_for: timedelta, stuck: tuple[str, ...]
    ):
        consumer, pulse = Standing(waits_for_database), Heard(utc_now() - kafka_silent_for)
        progress = Progress(positions_of(consumer, pulse), stuck_seconds=10)  # type: ignore[arg-type] - its figures alone

        for now in (0, 6, 12):
            progress.observe(now)

        assert progress.stuck(12) == stuck
