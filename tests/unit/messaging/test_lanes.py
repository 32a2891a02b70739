import asyncio
import json
from collections.abc import Sequence
from uuid import UUID

import pytest

from common.errors import Kind, QuartetError, unavailable
from common.messaging.backoff import Backoff
from common.messaging.failures import Failure, FailureKind, database_is_away
from common.messaging.flow import Flow
from common.messaging.headers import UndecodableError
from common.messaging.lanes import Lane, LaneSettings
from common.messaging.messages import Message, lane_of
from common.messaging.offsets import Offsets
from common.messaging.parking import pack_headers, unpack_headers
from tests.support.factories import user_registered
from tests.support.records import TP, message, record
from tests.support.waiting import eventually, throughout

AT_ONCE = Backoff(first_seconds=0.001, most_seconds=0.001)


class Recorded:
    """A delivery that remembers what it was asked for, and fails as it is told."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.parked: list[tuple[int, FailureKind, int]] = []
        self.failures: dict[int, list[Exception]] = {}
        self.away: Exception | None = None

    async def together(self, messages: Sequence[Message]) -> None:
        self.batches.append([one.offset for one in messages])
        await self.ask()
        for one in messages:
            waiting = self.failures.get(one.offset)
            if waiting:
                raise waiting.pop(0) if len(waiting) > 1 else waiting[0]

    async def ask(self) -> None:
        if self.away is not None:
            raise self.away

    async def park(self, message: Message, failure: Failure, *, attempts: int) -> None:
        self.parked.append((message.offset, failure.kind, attempts))


class Setup:
    def __init__(self) -> None:
        self.offsets = Offsets()
        self.flow = Flow(self.offsets, most_in_flight=100)
        self.delivery = Recorded()
        settings = LaneSettings(attempts=3, retry=AT_ONCE, database=AT_ONCE)
        self.lane = Lane(self.delivery, self.offsets, self.flow, settings)  # type: ignore[arg-type] - a script instead

    async def deliver(self, *messages: Message) -> None:
        for each in messages:
            self.offsets.begin(each.tp, each.offset)
            self.lane.add(each)
        running = asyncio.create_task(self.lane.run())
        await eventually(lambda: self.offsets.in_flight(TP) == 0)
        running.cancel()
        await asyncio.wait([running])


@pytest.fixture
def setup() -> Setup:
    return Setup()


class TestLane:
    async def test_delivers_a_batch_at_once_sorted_by_key_and_stable(self, setup: Setup):
        a, b = sorted((user_registered().data.user_id, user_registered().data.user_id), key=str)

        await setup.deliver(message(1, key=b), message(2, key=a), message(3, key=b), message(4, key=a))

        assert setup.delivery.batches == [[2, 4, 1, 3]]

    async def test_finds_the_message_that_fails_by_trying_each_alone(self, setup: Setup):
        setup.delivery.failures = {2: [KeyError()]}
        key = user_registered().data.user_id

        await setup.deliver(*(message(offset, key=key) for offset in (1, 2, 3)))

        assert setup.delivery.batches == [[1, 2, 3], [1], [2], [3]]
        assert setup.delivery.parked == [(2, FailureKind.PERMANENT, 1)]

    async def test_tries_what_is_transient_again_and_parks_it_in_the_end(self, setup: Setup):
        setup.delivery.failures = {1: [unavailable("provider.away", "later")]}

        await setup.deliver(message(1))

        assert setup.delivery.batches == [[1]] * 3
        assert setup.delivery.parked == [(1, FailureKind.TRANSIENT, 3)]

    async def test_waits_for_the_database_without_counting(self, setup: Setup):
        setup.delivery.away = unavailable("database.unavailable", "gone")
        done = asyncio.create_task(setup.deliver(message(1)))

        await eventually(lambda: setup.flow.waits_for_database == 1)
        await throughout(lambda: setup.delivery.parked == [], seconds=0.2)
        setup.delivery.away = None
        await done

        assert setup.delivery.parked == []

    async def test_tells_that_it_waits_for_the_database(self, setup: Setup):
        setup.delivery.away = unavailable("database.unavailable", "gone")
        done = asyncio.create_task(setup.deliver(message(1)))

        await eventually(lambda: setup.flow.waits_for_database == 1)
        setup.delivery.away = None
        await done

        assert setup.flow.waits_for_database == 0

    async def test_drops_what_was_handed_over(self, setup: Setup):
        stale = message(1, epoch=0)
        setup.flow.hand_over()

        setup.offsets.begin(TP, 2)
        running = asyncio.create_task(setup.lane.run())
        setup.lane.add(stale)
        current = message(2, epoch=1)
        setup.lane.add(current)
        await eventually(lambda: setup.offsets.in_flight(TP) == 0)
        running.cancel()

        assert setup.delivery.batches == [[2]]


class TestOffsets:
    def test_only_what_is_done_from_the_beginning_on_is_committed(self):
        offsets = Offsets()
        for offset in (5, 6, 8, 9):  # 7 is a transaction's marker
            offsets.begin(TP, offset)

        offsets.done(TP, [6, 9])
        assert offsets.to_commit() == {}
        offsets.done(TP, [5])
        assert offsets.to_commit() == {TP: 7}
        offsets.committed({TP: 7})
        assert offsets.to_commit() == {}
        offsets.done(TP, [8])

        assert offsets.to_commit() == {TP: 10}
        assert (offsets.in_flight(TP), offsets.first_pending(TP)) == (0, None)

    def test_knows_nothing_of_partitions_that_were_handed_over(self):
        offsets = Offsets()
        offsets.begin(TP, 5)
        offsets.forget_all()

        offsets.done(TP, [5])

        assert offsets.to_commit() == {}


class TestLaneOf:
    def test_a_key_has_one_lane_whatever_the_topic(self):
        one = message(1)
        other = message(2, key=UUID(one.key or ""))
        other.topic = "auth.session.v1"

        assert lane_of(one, 4) == lane_of(other, 4)

    def test_keys_spread_over_all_lanes(self):
        assert {lane_of(message(offset), 4) for offset in range(100)} == {0, 1, 2, 3}


class TestFailure:
    @pytest.mark.parametrize(
        ("error", "kind"),
        [
            (unavailable("provider.away", "x"), FailureKind.TRANSIENT),
            (unavailable("database.contention", "x"), FailureKind.TRANSIENT),
            (QuartetError("late", "x", kind=Kind.TIMEOUT), FailureKind.TRANSIENT),
            (QuartetError("wrong", "x", kind=Kind.INVALID), FailureKind.PERMANENT),
            (ValueError("a secret"), FailureKind.PERMANENT),
            (UndecodableError("ce_id is no UUID"), FailureKind.UNDECODABLE),
        ],
    )
    def test_has_a_kind(self, error, kind):
        assert Failure.of(error).kind is kind

    def test_does_not_repeat_what_an_unknown_error_says(self):
        failure = Failure.of(ValueError("a secret"))

        assert (failure.error_class, "secret" in failure.detail) == ("ValueError", False)

    def test_is_told_in_words_that_can_be_stored(self):
        failure = Failure.of(QuartetError("odd", "half \ud83d and \x00 none", kind=Kind.INVALID))

        assert failure.detail == "odd: half ? and none"

    def test_the_database_away_says_nothing_about_a_message(self):
        assert database_is_away(unavailable("database.unavailable", "x"))
        assert not database_is_away(unavailable("provider.away", "x"))


class TestStoredHeaders:
    def test_come_back_as_they_were(self):
        headers = [
            ("ce_type", b"user.registered"),
            ("x", b"\xff\x00"),
            ("x", b"again"),
            ("n", b"\x00"),
            ("e", b""),
            ("none", None),
            ("a\x00b", b"x"),
            ("\udcff\udcfe", b"a name that is no text"),
        ]

        packed = pack_headers(record(1, headers=headers))

        assert "u0000" not in packed
        assert unpack_headers(json.loads(packed)) == (headers, None)
