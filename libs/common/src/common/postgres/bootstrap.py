"""Roles, schemas and the pooler's look-up: what the superuser makes once, as SQL that may be run again.

`python -m common.postgres.bootstrap --sql` prints it; passwords are not in it.
"""

import argparse
import base64
import hashlib
import hmac
import secrets
import sys
from collections.abc import Mapping
from textwrap import dedent
from typing import Final

from common.contracts.topics import SERVICES
from common.postgres.context import Context
from common.postgres.timeouts import IDLE_IN_TRANSACTION_SECONDS, STATEMENT_SECONDS

POOLER_ROLE: Final = "pgb_auth"
_SCRAM_ITERATIONS: Final = 4096

_ENTERED_BY_API: Final = (
    "user",
    Context.SHARED,
    Context.STAFF,
    Context.SERVICE,
    Context.LOGIN,
    Context.ADMIN,
)
_ENTERED_BY_WORKER: Final = ("user", Context.SYSTEM, Context.SHARED)


def contexts_of(service: str) -> tuple[str, ...]:
    """What the names of its NOLOGIN roles end in; only auth has people not yet known, and administrators."""
    common = ("user", Context.SYSTEM, Context.SHARED, Context.STAFF, Context.SERVICE)
    return (*common, Context.LOGIN, Context.ADMIN) if service == "auth" else common


def logins() -> tuple[str, ...]:
    kinds = ("owner", "api", "worker")
    return (*(f"{service}_{kind}" for service in SERVICES for kind in kinds), POOLER_ROLE)


def roles_sql() -> str:
    """Of the whole cluster: roles, who may become whom, settings."""
    return "".join([*(_service_roles_sql(service) for service in SERVICES), _role(POOLER_ROLE, "login")])


def database_sql(database: str = "quartet") -> str:
    """Of one database, run in it: a schema for each service and the pooler's look-up."""
    name = '"' + database.replace('"', '""') + '"'
    connecting = ", ".join(logins())
    return "".join(
        [
            f"revoke all on database {name} from public;\n",
            f"grant connect on database {name} to {connecting};\n",
            "revoke all on schema public from public;\n",
            *(_schema_sql(service) for service in SERVICES),
            _pooler_sql(),
        ]
    )


def passwords_sql(verifiers: Mapping[str, str]) -> str:
    """Takes verifiers, so that no password reaches the server's log."""
    return "".join(f"alter role {role} password '{verifier}';\n" for role, verifier in verifiers.items())


def scram_verifier(password: str, salt: bytes | None = None) -> str:
    """What PostgreSQL stores of a password under scram-sha-256."""
    if not password.isascii():
        raise ValueError("a login's password must be ASCII")
    salt = secrets.token_bytes(16) if salt is None else salt
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _SCRAM_ITERATIONS)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    stored, server = hashlib.sha256(client_key).digest(), hmac.digest(salted, b"Server Key", "sha256")
    encoded = [base64.b64encode(part).decode() for part in (salt, stored, server)]
    return f"SCRAM-SHA-256${_SCRAM_ITERATIONS}:{encoded[0]}${encoded[1]}:{encoded[2]}"


def _role(name: str, login: str) -> str:
    return dedent(f"""\
        do $$ begin
            if not exists (select from pg_roles where rolname = '{name}') then
                create role {name} {login} noinherit;
            end if;
        end $$;
        alter role {name} {login} noinherit nosuperuser nocreatedb nocreaterole noreplication nobypassrls;
    """)


def _service_roles_sql(service: str) -> str:
    owner, api, worker = (f"{service}_{kind}" for kind in ("owner", "api", "worker"))
    contexts = contexts_of(service)
    by_api = ", ".join(f"{service}_{context}" for context in _ENTERED_BY_API if context in contexts)
    by_worker = ", ".join(f"{service}_{context}" for context in _ENTERED_BY_WORKER)
    settings = "".join(
        f"alter role {login} set {setting};\n"
        for login in (api, worker)
        for setting in (
            f"statement_timeout = '{STATEMENT_SECONDS:g}s'",
            f"idle_in_transaction_session_timeout = '{IDLE_IN_TRANSACTION_SECONDS:g}s'",
            # compiling costs more than any of our short statements takes
            "jit = off",
        )
    )
    return "".join(
        [
            *(_role(f"{service}_{context}", "nologin") for context in contexts),
            *(_role(login, "login") for login in (owner, api, worker)),
            f"grant {by_api} to {api};\ngrant {by_worker} to {worker};\n",
            *(f"alter role {login} set search_path = {service};\n" for login in (owner, api, worker)),
            *(f"alter role {login} set timezone = 'UTC';\n" for login in (owner, api, worker)),
            settings,
        ]
    )


def _schema_sql(service: str) -> str:
    roles = ", ".join(f"{service}_{context}" for context in contexts_of(service))
    return dedent(f"""\
        create schema if not exists {service};
        alter schema {service} owner to {service}_owner;
        revoke all on schema {service} from public;
        grant usage on schema {service} to {roles};
        create or replace function {service}.app_uid() returns uuid language sql stable parallel safe
            as $$ select nullif(current_setting('app.user_id', true), '')::uuid $$;
        alter function {service}.app_uid() owner to {service}_owner;
    """)


def _pooler_sql() -> str:
    """PgBouncer asks this about each login; owners and superusers are not for it to know."""
    entering = ", ".join(f"'{service}_{kind}'" for service in SERVICES for kind in ("api", "worker"))
    return dedent(f"""\
        create schema if not exists pgb;
        revoke all on schema pgb from public;
        grant usage on schema pgb to {POOLER_ROLE};
        create or replace function pgb.get_auth(n text) returns table(u text, p text)
            language sql stable security definer set search_path = pg_catalog, pg_temp
            as $$ select usename::text, passwd::text from pg_shadow
                  where usename = n and n in ({entering}) $$;
        revoke all on function pgb.get_auth(text) from public;
        grant execute on function pgb.get_auth(text) to {POOLER_ROLE};
    """)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m common.postgres.bootstrap", description=__doc__)
    parser.add_argument("--sql", action="store_true", required=True, help="print the SQL")
    parser.add_argument("--database", default="quartet", help="in which it will be run")
    given = parser.parse_args(arguments)
    sys.stdout.write(roles_sql() + database_sql(given.database))


if __name__ == "__main__":
    main()
