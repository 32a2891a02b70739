import re
from importlib import import_module

import pytest

from common.contracts.topics import SERVICES
from tests.support.repository import SERVICE_PACKAGES

_REVISION = re.compile(r'^(revision|down_revision) = (?:"([^"]+)"|None)$', re.MULTILINE)


def revisions(service: str) -> list[dict[str, str]]:
    versions = (SERVICE_PACKAGES[service].parents[1] / "migrations" / "versions").glob("*.py")
    return [dict(_REVISION.findall(path.read_text())) for path in versions]


class TestSchemaHead:
    @pytest.mark.parametrize("service", SERVICES)
    def test_is_the_last_revision_of_the_migrations(self, service: str):
        """Readiness asks for it: a wrong one would let code serve on a schema that it misses."""
        found = revisions(service)

        heads = {one["revision"] for one in found} - {one["down_revision"] for one in found}

        assert heads == {import_module(f"{SERVICE_PACKAGES[service].name}.storage.tables").HEAD}

    @pytest.mark.parametrize("service", SERVICES)
    def test_is_numbered_so_that_the_newer_is_the_greater(self, service: str):
        found = revisions(service)

        assert all(re.fullmatch(rf"{service}_\d{{4}}", one["revision"]) for one in found)
        assert all(one["down_revision"] < one["revision"] for one in found)
