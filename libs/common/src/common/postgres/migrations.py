"""Migrations: run by the owner on a direct connection, one runner at a time; then grants and policies."""

import argparse
import sys
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa
from alembic import command, context
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from common.postgres.access import OWNER_SETTING, access_hash, access_sql
from common.postgres.tables import Schema
from common.postgres.timeouts import MIGRATION_LOCK_SECONDS, MIGRATION_STATEMENT_SECONDS
from common.postgres.url import Surroundings, libpq_url
from common.postgres.url_errors import DatabaseUrlError
from common.settings import DatabaseSettings, MigrationSettings
from common.settings_errors import load
from common.settings_listing import print_config
from common.starting import go_on

_LOCK_PAUSE_SECONDS = 0.5
_VERSION_TABLE = "alembic_version"


class MigrationRefusedError(Exception):
    pass


def main(schema: Schema, package_file: str, arguments: list[str] | None = None) -> None:
    """`python -m <service>.migrate`: to the newest revision, or what the arguments say."""
    go_on()
    parser = argparse.ArgumentParser(prog=f"python -m {Path(package_file).parent.name}.migrate")
    parser.add_argument("--plan", action="store_true", help="print what would be done")
    parser.add_argument("--print-config", action="store_true", help="print the settings")
    parser.add_argument("--sql", action="store_true", help="print the SQL of all revisions")
    parser.add_argument("--migrations", type=Path, help="the folder with env.py")
    verbs = parser.add_subparsers(dest="verb")
    down = verbs.add_parser("downgrade", help="undo revisions")
    down.add_argument("revision", nargs="?", default="-1")
    given = parser.parse_args(arguments)
    try:
        _carry_out(schema, given, _config(given.migrations or _folder(package_file)))
    except (MigrationRefusedError, DatabaseUrlError) as error:
        parser.exit(1, f"{schema.service}: {error}\n")


def _carry_out(schema: Schema, given: argparse.Namespace, config: Config) -> None:
    if given.sql:
        command.upgrade(config, "head", sql=True)
        return
    settings = load(MigrationSettings, service=schema.service)
    if given.print_config:
        print_config(settings, service=schema.service)
        return
    with _owner_connection(schema.service, settings.database) as connection:
        if given.plan:
            _print_plan(schema, config, connection)
        elif given.verb == "downgrade":
            _downgrade(schema, config, connection, given.revision)
        else:
            upgrade(schema, config, connection)


def upgrade(schema: Schema, config: Config, connection: sa.Connection) -> None:
    """To the newest revision; then grants and policies, if these or the tables have changed."""
    with _one_runner(schema.service, connection):
        pending = _pending(schema, config, connection)
        for revision in pending:
            began = time.monotonic()
            _run(config, connection, lambda at=revision: command.upgrade(config, at))
            _say(f"{schema.service}: {revision} in {time.monotonic() - began:.2f} s")
        if pending or _access_in_place(schema, connection) != access_hash(schema):
            _apply_access(schema, connection)
            _say(f"{schema.service}: grants and policies")


def run_env(schema: Schema) -> None:
    """The body of every env.py."""
    if context.is_offline_mode():
        context.configure(dialect_name="postgresql", **_options(schema))
        with context.begin_transaction():
            context.execute(f"SET {OWNER_SETTING} = 'yes'")
            context.execute(f"SET search_path = {schema.service}")
            context.execute(f"SET lock_timeout = '{MIGRATION_LOCK_SECONDS:g}s'")
            context.execute(f"SET statement_timeout = '{MIGRATION_STATEMENT_SECONDS:g}s'")
            context.run_migrations()
            context.execute(access_sql(schema))
        return
    given: sa.Connection | None = context.config.attributes.get("connection")
    if given is not None:
        _run_online(schema, given)
        return
    settings = load(MigrationSettings, service=schema.service)
    with _owner_connection(schema.service, settings.database) as connection:
        _run_online(schema, connection)


def find_drift(schema: Schema, connection: sa.Connection) -> list[Any]:
    """What the tables in code have and the database has not, and the other way round."""
    migration = MigrationContext.configure(
        connection, opts={"include_object": _declared(schema), "compare_server_default": True}
    )
    return list(compare_metadata(migration, schema.metadata))


def _run_online(schema: Schema, connection: sa.Connection) -> None:
    found = connection.scalar(sa.text("SELECT current_setting(:name, true)"), {"name": OWNER_SETTING})
    if found != "yes":
        raise MigrationRefusedError(
            f"{OWNER_SETTING} is not set: under FORCE ROW LEVEL SECURITY the owner would see no row, and "
            "constraints would be validated without looking"
        )
    connection.rollback()
    context.configure(connection=connection, transaction_per_migration=True, **_options(schema))
    with context.begin_transaction():
        context.run_migrations()


def _options(schema: Schema) -> dict[str, Any]:
    return {
        "target_metadata": schema.metadata,
        "version_table": _VERSION_TABLE,
        "version_table_schema": schema.service,
        "include_object": _declared(schema),
    }


def _declared(schema: Schema) -> Callable[..., bool]:
    """What is compared: partitions come and go by themselves, and only their parents are declared."""
    parents = tuple(
        f"{table.name}_"
        for table in schema.metadata.tables.values()
        if table.dialect_options["postgresql"]["partition_by"]
    )

    def is_declared(
        _item: object, name: str | None, kind: str, reflected: bool, compared: object | None
    ) -> bool:
        not_ours = name == _VERSION_TABLE or str(name).startswith(parents)
        return not (kind == "table" and reflected and compared is None and not_ours)

    return is_declared


@contextmanager
def _owner_connection(service: str, settings: DatabaseSettings) -> Generator[sa.Connection]:
    if settings.pooler not in ("auto", "none"):
        raise MigrationRefusedError("migrations need a direct connection: DATABASE_POOLER must be none")
    url = libpq_url(settings.url.get_secret_value(), Surroundings(service, settings.certificates))

    def connect() -> psycopg.Connection[Any]:
        try:
            connection = psycopg.connect(url, autocommit=True)
        except psycopg.OperationalError as error:
            raise MigrationRefusedError(f"cannot connect with DATABASE_URL: {_first_line(error)}") from None
        if settings.pooler == "auto":
            _refuse_a_pooler(connection)
        statement = (
            f"SET search_path = {service}; SET {OWNER_SETTING} = 'yes';"
            f" SET lock_timeout = '{MIGRATION_LOCK_SECONDS:g}s';"
            f" SET statement_timeout = '{MIGRATION_STATEMENT_SECONDS:g}s'"
        )
        connection.execute(statement.encode())
        connection.autocommit = False
        return connection

    engine = sa.create_engine("postgresql+psycopg://", creator=connect, poolclass=sa.NullPool)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def _refuse_a_pooler(connection: psycopg.Connection[Any]) -> None:
    """A pooler makes up the process id that it tells its clients."""
    serving = connection.execute("SELECT pg_backend_pid()").fetchone()
    if serving != (connection.info.backend_pid,):
        connection.close()
        raise MigrationRefusedError("DATABASE_URL leads through a pooler: name PostgreSQL itself")


@contextmanager
def _one_runner(service: str, connection: sa.Connection) -> Generator[None]:
    """Asks again and again: a session that waits in the server would hold up CREATE INDEX CONCURRENTLY."""
    key = {"key": f"quartet.migrate.{service}"}
    deadline = time.monotonic() + MIGRATION_STATEMENT_SECONDS
    while not _locked(connection, key):
        if time.monotonic() > deadline:
            raise MigrationRefusedError(f"another migration of {service} does not end")
        time.sleep(_LOCK_PAUSE_SECONDS)
    try:
        yield
    finally:
        connection.rollback()
        connection.execute(sa.text("SELECT pg_advisory_unlock(hashtextextended(:key, 0))"), key)
        connection.commit()


def _locked(connection: sa.Connection, key: dict[str, str]) -> bool:
    found = connection.scalar(sa.text("SELECT pg_try_advisory_lock(hashtextextended(:key, 0))"), key)
    connection.commit()
    return bool(found)


def _downgrade(schema: Schema, config: Config, connection: sa.Connection, revision: str) -> None:
    with _one_runner(schema.service, connection):
        # the next upgrade grants anew what this takes away with its tables
        connection.execute(sa.text(f"COMMENT ON SCHEMA {schema.service} IS NULL"))
        connection.commit()
        _run(config, connection, lambda: command.downgrade(config, revision))
        _say(f"{schema.service}: downgraded to {revision}")


def _apply_access(schema: Schema, connection: sa.Connection) -> None:
    connection.execute(sa.text(access_sql(schema)))
    connection.execute(sa.text(f"COMMENT ON SCHEMA {schema.service} IS 'access {access_hash(schema)}'"))
    connection.commit()


def _access_in_place(schema: Schema, connection: sa.Connection) -> str | None:
    comment: str | None = connection.scalar(
        sa.text("SELECT obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname = :name"),
        {"name": schema.service},
    )
    connection.rollback()
    return comment.removeprefix("access ") if comment else None


def _pending(schema: Schema, config: Config, connection: sa.Connection) -> Sequence[str]:
    opts = {"version_table": _VERSION_TABLE, "version_table_schema": schema.service}
    current = MigrationContext.configure(connection, opts=opts).get_current_revision()
    connection.rollback()
    scripts = ScriptDirectory.from_config(config).iterate_revisions("head", current or "base")
    return [script.revision for script in reversed(list(scripts)) if script.revision != current]


def _print_plan(schema: Schema, config: Config, connection: sa.Connection) -> None:
    pending = _pending(schema, config, connection)
    for revision in pending:
        _say(f"{schema.service}: {revision}")
    if pending or _access_in_place(schema, connection) != access_hash(schema):
        _say(f"{schema.service}: grants and policies")
    else:
        _say(f"{schema.service}: nothing to do")


def _run(config: Config, connection: sa.Connection, step: Callable[[], object]) -> None:
    config.attributes["connection"] = connection
    step()
    connection.commit()


def _config(folder: Path) -> Config:
    if not (folder / "env.py").is_file():
        raise MigrationRefusedError(f"no migrations in {folder}: name their folder with --migrations")
    config = Config(stdout=sys.stdout)
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    return config


def _folder(package_file: str) -> Path:
    """Beside the package's sources in a checkout; where the process was started in an image."""
    beside = Path(package_file).resolve().parents[2] / "migrations"
    return beside if beside.is_dir() else Path.cwd() / "migrations"


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
