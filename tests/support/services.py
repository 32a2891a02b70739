"""What the services declare, by short name."""

from importlib import import_module

from common.contracts.topics import SERVICES
from common.postgres.constraints import Constraints
from common.postgres.tables import Schema
from tests.support.repository import SERVICE_PACKAGES

SCHEMAS: dict[str, Schema] = {
    service: import_module(f"{SERVICE_PACKAGES[service].name}.storage.tables").SCHEMA for service in SERVICES
}

CONSTRAINTS: dict[str, Constraints] = {
    service: import_module(f"{SERVICE_PACKAGES[service].name}.storage.constraints").CONSTRAINTS
    for service in SERVICES
}
