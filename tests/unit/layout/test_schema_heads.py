import re
from importlib import import_module

import pytest

from common.contracts.topics import SERVICES
from tests.support.repository import SERVICE_PACKAGES

_REVISION = re.compile(r'^(revision|down_revision) = (?:"([^"]+)"|None)$', re.MULTILINE)


class TestSchemaHeads:
    @pytest.mark.parametrize("service", SERVICES)
    def test_are_the_last_revisions_of_the_migrations(self, service: str):
        """Readiness compares the database with them: a forgotten one would keep every replica unready."""
        package = SERVICE_PACKAGES[service]
        versions = (package.parents[1] / "migrations" / "versions").glob("*.py")
        found = [dict(_REVISION.findall(path.read_text())) for path in versions]

        heads = {one["revision"] for one in found} - {one["down_revision"] for one in found}

        assert heads == import_module(f"{package.name}.storage.tables").HEADS
