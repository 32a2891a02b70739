"""Each service's events as an AsyncAPI 3 document: what it sends, what it receives, how a message looks."""

from typing import Any

from common.contracts.catalogue import PAYLOADS
from common.contracts.envelope import CONTENT_TYPE, SPEC_VERSION, Payload, schema_urn, stem
from common.contracts.examples import BY_PAYLOAD
from common.contracts.json_schemas import inlined, schema_of
from common.contracts.topics import TOPICS, Topic, heard_by, resource_prefix

_VERSION = "3.0.0"
_KAFKA_BINDING = "0.5.0"
_UUID = {"type": "string", "format": "uuid"}

Document = dict[str, Any]


def document(service: str) -> Document:
    own = [topic for topic in TOPICS if topic.service == service]
    heard = list(heard_by(service))
    seen = list(dict.fromkeys([*own, *heard]))
    return {
        "asyncapi": _VERSION,
        "info": {
            "title": f"Quartet {service}: events",
            "version": "1.0.0",
            "description": f"What {service} tells the others through Kafka, and what it listens to. "
            "CloudEvents 1.0 in binary mode; at least once, in order for each key.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": CONTENT_TYPE,
        "channels": {topic.name: _channel(topic) for topic in seen},
        "operations": {
            **{f"send.{topic.name}": _sends(topic) for topic in own},
            **{f"receive.{topic.name}": _receives(topic, service) for topic in heard},
        },
        "components": {
            "messages": {stem(payload): _message(payload) for topic in seen for payload in _carried(topic)}
        },
    }


def _carried(topic: Topic) -> list[type[Payload]]:
    return [payload for payload in PAYLOADS if payload.topic is topic]


def _channel(topic: Topic) -> Document:
    return {
        "address": topic.name,
        "description": f"Written by {topic.service} alone.",
        "messages": {
            stem(payload): {"$ref": f"#/components/messages/{stem(payload)}"} for payload in _carried(topic)
        },
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "partitions": topic.partitions,
                "topicConfiguration": {
                    "cleanup.policy": ["delete"],
                    "retention.ms": int(topic.retention.total_seconds() * 1000),
                },
                "bindingVersion": _KAFKA_BINDING,
            }
        },
    }


def _sends(topic: Topic) -> Document:
    return {"action": "send", **_on(topic)}


def _receives(topic: Topic, service: str) -> Document:
    group = {"type": "string", "pattern": f"^{resource_prefix(service).replace('.', '[.]')}"}
    binding = {"groupId": group, "bindingVersion": _KAFKA_BINDING}
    return {"action": "receive", **_on(topic), "bindings": {"kafka": binding}}


def _on(topic: Topic) -> Document:
    channel = f"#/channels/{topic.name}"
    return {
        "channel": {"$ref": channel},
        "messages": [{"$ref": f"{channel}/messages/{stem(payload)}"} for payload in _carried(topic)],
    }


def _message(payload: type[Payload]) -> Document:
    example = BY_PAYLOAD[payload].model_dump(mode="json")
    return {
        "name": payload.event_type,
        "title": stem(payload),
        "summary": (payload.__doc__ or "").strip(),
        "contentType": CONTENT_TYPE,
        "headers": _headers(payload),
        "payload": inlined(schema_of(payload)),
        "bindings": {
            "kafka": {
                "key": {"type": "string", "description": "The aggregate's id; order is kept for each key."},
                "bindingVersion": _KAFKA_BINDING,
            }
        },
        "examples": [{"name": "example", "payload": example}],
        "x-personal-data": sorted(payload.personal),
    }


def _headers(payload: type[Payload]) -> Document:
    properties: Document = {
        "ce_specversion": {"type": "string", "const": SPEC_VERSION},
        "ce_id": {**_UUID, "description": "UUIDv7; the same at every delivery of this event."},
        "ce_source": {"type": "string", "const": f"/quartet/{payload.topic.service}"},
        "ce_type": {"type": "string", "const": payload.event_type},
        "ce_time": {"type": "string", "format": "date-time"},
        "ce_subject": {"type": "string", "description": "The aggregate's id, as in the key."},
        "ce_dataschema": {"type": "string", "const": schema_urn(payload)},
        "ce_userid": {**_UUID, "description": "Whom the event is about."},
        "content-type": {"type": "string", "const": CONTENT_TYPE},
        "traceparent": {"type": "string", "description": "W3C trace context of what caused the event."},
        "tracestate": {"type": "string"},
    }
    optional = {"ce_userid", "traceparent", "tracestate"}
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
    }
