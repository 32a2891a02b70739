"""The operator's connection to a Kafka cluster."""

# pyright: reportPrivateImportUsage=false
# confluent_kafka.admin documents these names and does not list them as exported.

from collections.abc import Iterable
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

SECONDS = 15.0


def admin_client(bootstrap: str, *, ca_file: str, certificate_file: str, key_file: str) -> AdminClient:
    return AdminClient(
        {
            "bootstrap.servers": bootstrap,
            "security.protocol": "SSL",
            "ssl.ca.location": ca_file,
            "ssl.certificate.location": certificate_file,
            "ssl.key.location": key_file,
            "client.id": "quartet-topics",
            # what fails is told once by whoever asks, not by the library on every try
            "log_level": 2,
        }
    )


def wait_for(futures: Iterable[Any]) -> None:
    for future in futures:
        try:
            future.result(timeout=SECONDS)
        except KafkaException as error:
            if error.args[0].name() != "TOPIC_ALREADY_EXISTS":  # somebody else made it in the same moment
                raise
