"""A table whose rows are claimed, as a service would have one, and what working on it left behind."""

from uuid import UUID

import sqlalchemy as sa

from common.claims import Claim, Claims
from common.once import Todo, Work
from common.postgres.access import _table_sql
from common.postgres.context import AsUser, Context
from common.postgres.engine import Transaction
from common.postgres.tables import ALL, Grants, TableAccess

TOKENS = Claims("claimed_tokens", free="ok", held="refreshing")

_OWN = Grants(select=ALL, insert=ALL, update=ALL)
_TABLES = (
    TableAccess("claimed_tokens", "user", user=_OWN),
    TableAccess("claimed_effects", "user", user=_OWN),
)
_CREATE = """
    create table auth.claimed_tokens (
        id uuid primary key, user_id uuid not null, secret text not null default 'first',
        version bigint not null default 1, state text not null default 'ok',
        claim uuid, claim_until timestamptz
    );
    create table auth.claimed_effects (token_id uuid, user_id uuid, version bigint, secret text);
    alter table auth.claimed_tokens owner to auth_owner;
    alter table auth.claimed_effects owner to auth_owner;
"""
CREATE = _CREATE + "".join(statement for table in _TABLES for statement in _table_sql("auth", table))
DROP = "drop table if exists auth.claimed_tokens, auth.claimed_effects"

_LOOK = sa.text("SELECT version, secret FROM claimed_tokens WHERE id = :id")
_EFFECT = sa.text(
    "INSERT INTO claimed_effects (token_id, user_id, version, secret)"
    " SELECT id, user_id, version, secret FROM claimed_tokens WHERE id = :id"
)


async def store(tx: Transaction, claim: Claim, secret: str) -> str:
    await TOKENS.finish(tx, claim, {"secret": secret})
    await tx.execute(_EFFECT, {"id": claim.key})
    return secret


def refresh(
    token_id: UUID,
    do,
    *,
    version: int = 1,
    as_user: AsUser = Context.SYSTEM,
    work_seconds: float = 10.0,
    wait_seconds: float = 30.0,
    abandoned: str | None = None,
) -> Work[str, str]:
    """What is wanted is a version after the one that was seen."""

    async def look(tx: Transaction) -> str | Todo:
        row = (await tx.execute(_LOOK, {"id": token_id})).one()
        return row.secret if row.version > version else Todo(row.version)

    return Work(
        claims=TOKENS,
        key=token_id,
        version=version,
        as_user=as_user,
        look=look,
        do=do,
        store=store,
        work_seconds=work_seconds,
        wait_seconds=wait_seconds,
        abandoned=abandoned,
    )
