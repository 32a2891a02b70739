import pytest
from aiokafka import TopicPartition

from common.contracts.catalogue import BY_STEM
from common.messaging.headers import encode
from common.messaging.messages import Message, read
from common.messaging.replay import StoredRecord
from tests.support.factories import user_registered

TP = TopicPartition("auth.user.v1", 0)
TRACE = "0af7651916cd43dd8448eb211c80319c"


def message(*, traceparent: str | None = None, value: bytes | None = None) -> Message:
    event = user_registered()
    trace = {} if traceparent is None else {"traceparent": traceparent}
    headers = [(name, content.encode()) for name, content in encode(event, trace=trace).items()]
    content = event.data.model_dump_json().encode() if value is None else value
    stored = StoredRecord(TP.topic, TP.partition, 0, 0, event.key.encode(), content, headers)
    made = read(stored, BY_STEM, tp=TP, topic=TP.topic, epoch=0)
    assert made is not None
    return made


class TestAMessage:
    def test_is_logged_with_the_trace_of_its_cause(self):
        assert message(traceparent=f"00-{TRACE}-b7ad6b7169203331-01").trace_id == TRACE

    @pytest.mark.parametrize("traceparent", [None, "nonsense", f"00-{'0' * 32}-b7ad6b7169203331-01"])
    def test_without_a_readable_one_is_logged_without(self, traceparent: str | None):
        assert message(traceparent=traceparent).trace_id is None

    def test_that_cannot_be_read_is_logged_with_it_too(self):
        assert message(traceparent=f"00-{TRACE}-b7ad6b7169203331-01", value=b"{").trace_id == TRACE
