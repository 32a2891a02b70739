"""The plugin that offers fixtures to all suites; nothing is started before a test asks for it."""

from tests.support.caches import redis, redis_clients
from tests.support.databases import cleaned_by, database, databases, superuser
from tests.support.installation import installation, one_free_port
from tests.support.streams import group, kafka_settings, open_streams, streams
from tests.support.tracing import exported

__all__ = [
    "cleaned_by",
    "database",
    "databases",
    "exported",
    "group",
    "installation",
    "kafka_settings",
    "one_free_port",
    "open_streams",
    "redis",
    "redis_clients",
    "streams",
    "superuser",
]
