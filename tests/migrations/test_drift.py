import pytest
import sqlalchemy as sa

from common.contracts.topics import SERVICES
from common.postgres.migrations import find_drift
from common.postgres.url import libpq_url
from tests.support.catalogue import describe
from tests.support.services import SCHEMAS

each_service = pytest.mark.parametrize("service", SERVICES)


@pytest.fixture
def owner(installation):
    """Synchronous connections, as Alembic wants them, with a service's schema in front."""
    import psycopg

    opened = []

    def connect(service: str) -> sa.Connection:
        engine = sa.create_engine(
            "postgresql+psycopg://",
            creator=lambda: psycopg.connect(
                libpq_url(installation.superuser_url()), options=f"-csearch_path={service}"
            ),
            poolclass=sa.NullPool,
        )
        opened.append(engine.connect())
        return opened[-1]

    yield connect
    for connection in opened:
        connection.close()


class TestTablesInCode:
    @each_service
    async def test_are_what_the_migrations_made(self, superuser, owner, service):
        """Compared in PostgreSQL's own words, so that checks, partitions and defaults count too."""
        migrated = await describe(superuser, service)
        connection = owner(service)

        connection.execute(sa.text(f"create schema declared_{service}"))
        connection.execute(sa.text(f"set local search_path = declared_{service}, {service}"))
        SCHEMAS[service].metadata.create_all(connection, checkfirst=False)
        for view in SCHEMAS[service].views:
            created = f"create view {view.name} with (security_invoker = true) as {view.definition}"
            connection.execute(sa.text(created))
        connection.commit()
        declared = await describe(superuser, f"declared_{service}")

        assert declared == migrated

    @each_service
    def test_are_the_same_to_alembic(self, superuser, owner, service):
        assert find_drift(SCHEMAS[service], owner(service)) == []
