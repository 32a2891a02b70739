"""Which partitions are paused, told by a consumer that only remembers what it was told."""

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import IllegalStateError

from common.messaging.flow import Flow
from common.messaging.offsets import Offsets

TP, OTHER = TopicPartition("auth.user.v1", 0), TopicPartition("auth.user.v1", 1)
MOST = 10


class Assigned:
    def __init__(self) -> None:
        self.partitions = {TP, OTHER}
        self.paused: set[TopicPartition] = set()

    def assignment(self) -> set[TopicPartition]:
        return set(self.partitions)

    def pause(self, tp: TopicPartition) -> None:
        self.paused.add(tp)

    def resume(self, tp: TopicPartition) -> None:
        self.paused.discard(tp)


class TakenAway(Assigned):
    def pause(self, tp: TopicPartition) -> None:
        raise IllegalStateError(f"{tp} is not ours")


@pytest.fixture
def offsets() -> Offsets:
    return Offsets()


@pytest.fixture
def flow(offsets: Offsets) -> Flow:
    return Flow(offsets, most_in_flight=MOST)


@pytest.fixture
def consumer() -> Assigned:
    return Assigned()


def begin(offsets: Offsets, numbers: range) -> None:
    for offset in numbers:
        offsets.begin(TP, offset)


class TestAPartition:
    def test_with_more_in_flight_than_it_may_have_is_paused_alone(self, flow, offsets, consumer):
        begin(offsets, range(MOST))
        flow.apply(consumer)
        assert consumer.paused == set()

        begin(offsets, range(MOST, MOST + 1))
        flow.apply(consumer)

        assert consumer.paused == {TP}

    def test_goes_on_at_half_of_that(self, flow, offsets, consumer):
        begin(offsets, range(MOST + 1))
        flow.apply(consumer)

        offsets.done(TP, range(MOST // 2))
        flow.apply(consumer)
        assert consumer.paused == {TP}

        offsets.done(TP, [MOST // 2])
        flow.apply(consumer)

        assert consumer.paused == set()

    def test_is_paused_for_as_long_as_any_lane_holds_it(self, flow, consumer):
        flow.hold(TP)
        flow.hold(TP)
        flow.let_go(TP)
        flow.apply(consumer)
        assert consumer.paused == {TP}

        flow.let_go(TP)
        flow.apply(consumer)

        assert consumer.paused == set()

    def test_that_is_given_back_begins_unpaused(self, flow, consumer):
        flow.hold(TP)
        flow.apply(consumer)
        flow.hand_over()
        consumer.paused.clear()

        flow.hold(TP)
        flow.apply(consumer)

        assert consumer.paused == {TP}

    def test_that_is_taken_away_in_the_same_moment_is_no_error(self, flow):
        flow.hold(TP)

        flow.apply(TakenAway())
