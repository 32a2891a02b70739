"""The catalogue of events for people, made from the same tables as everything else."""

from collections.abc import Iterator

from common.contracts.catalogue import PAYLOADS
from common.contracts.envelope import Payload, stem
from common.contracts.json_schemas import schema_of
from common.contracts.topics import TOPICS

_INTRODUCTION = """# Events

Made by `python -m common.contracts.export`; change the models, not this page. Every message is a CloudEvents
1.0 event in binary mode: attributes are headers (`ce_id`, `ce_type`, `ce_time`, `ce_userid`, …),
the value is JSON, the key is the aggregate's id. Delivery is at least once and in order for each key; `ce_id`
tells a repeated one. Readers skip fields that they do not know. Schemas and examples are in `schemas/`, an
AsyncAPI 3 document for each service in `asyncapi/`."""


def page() -> str:
    return (
        "\n".join([_INTRODUCTION, "", *_topics(), *(line for one in PAYLOADS for line in _event(one))]) + "\n"
    )


def _topics() -> Iterator[str]:
    yield "| topic | written by | listened to by | kept | partitions |"
    yield "|---|---|---|---|---|"
    for topic in TOPICS:
        listeners = ", ".join(topic.listeners) or "nobody yet"
        yield (
            f"| `{topic.name}` | {topic.service} | {listeners} | {topic.retention.days} days "
            f"| {topic.partitions} |"
        )


def _event(payload: type[Payload]) -> Iterator[str]:
    schema = schema_of(payload)
    required = schema.get("required", [])
    yield ""
    yield f"## {stem(payload)}"
    yield ""
    yield f"{(payload.__doc__ or '').strip()} On `{payload.topic.name}`."
    yield ""
    yield "| field | type | | |"
    yield "|---|---|---|---|"
    for name, field in schema["properties"].items():
        marks = ["always there" if name in required else "optional"]
        marks += ["personal data"] if name in payload.personal else []
        yield f"| `{name}` | {_type(field)} | {', '.join(marks)} | {field.get('description', '')} |"


def _type(field: dict[str, object]) -> str:
    match field:
        case {"anyOf": list(alternatives)}:
            return " or ".join(_type(one) for one in alternatives)
        case {"type": "array", "items": dict(items)}:
            return f"list of {_type(items)}"
        case {"format": str(form)}:
            return form
        case {"type": str(name)}:
            return name
        case _:
            return "see the schema"
