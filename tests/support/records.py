"""Records as Kafka hands them over, and messages as lanes get them."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from aiokafka import TopicPartition

from common.contracts.catalogue import BY_STEM
from common.contracts.envelope import Event
from common.messaging.headers import encode
from common.messaging.messages import Message, read
from common.messaging.replay import StoredRecord
from tests.support.factories import user_registered

TP = TopicPartition("auth.user.v1", 0)


def record(
    offset: int,
    *,
    key: UUID | None = None,
    version: int = 1,
    trace: Mapping[str, str] | None = None,
    headers: Sequence[tuple[str, bytes | None]] | None = None,
) -> StoredRecord:
    return record_of(user_registered(key, version=version), offset, trace=trace, headers=headers)


def record_of(
    event: Event[Any],
    offset: int,
    *,
    trace: Mapping[str, str] | None = None,
    headers: Sequence[tuple[str, bytes | None]] | None = None,
) -> StoredRecord:
    encoded = [(name, value.encode()) for name, value in encode(event, trace=trace or {}).items()]
    value = event.data.model_dump_json().encode()
    return StoredRecord(TP.topic, TP.partition, offset, 0, event.key.encode(), value, headers or encoded)


def message(
    offset: int,
    *,
    key: UUID | None = None,
    version: int = 1,
    trace: Mapping[str, str] | None = None,
    epoch: int = 0,
) -> Message:
    return message_of(record(offset, key=key, version=version, trace=trace), epoch=epoch)


def message_of(told: StoredRecord, *, epoch: int = 0) -> Message:
    made = read(told, BY_STEM, tp=TP, topic=TP.topic, epoch=epoch)
    assert made is not None
    return made
