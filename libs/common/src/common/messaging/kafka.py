"""How a service reaches Kafka and what its things are called there."""

import ssl
from typing import Any

from common.contracts.topics import Topic, resource_prefix
from common.settings import KafkaSettings


def ssl_context(kafka: KafkaSettings) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(kafka.ca_file))
    context.load_cert_chain(str(kafka.certificate_file), str(kafka.key_file))
    return context


def connection(kafka: KafkaSettings) -> dict[str, Any]:
    """What every aiokafka client is given."""
    return {
        "bootstrap_servers": kafka.bootstrap,
        "security_protocol": "SSL",
        "ssl_context": ssl_context(kafka),
    }


def topic_name(kafka: KafkaSettings, topic: Topic | str) -> str:
    name = topic if isinstance(topic, str) else topic.name
    return f"{kafka.installation}{name}"


def own_name(kafka: KafkaSettings, service: str, name: str) -> str:
    """Of a consumer group or a transactional id."""
    return f"{resource_prefix(service, installation=kafka.installation)}{name}"
