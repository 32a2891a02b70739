from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from auth_service.domain.links import Purpose
from common.postgres.asking import ask, put_off
from common.postgres.engine import Transaction
from common.postgres.trip import Row, Step


@dataclass(frozen=True)
class NewLink:
    id: UUID
    user_id: UUID
    purpose: Purpose
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None = None
    """Set from the beginning for a link that nobody shall use."""
    hashed_password: str | None = None
    email: str | None = None
    email_norm: str | None = None


@dataclass(frozen=True)
class UsedLink:
    hashed_password: str | None
    email: str | None
    email_norm: str | None


_INSERT = """
    INSERT INTO mail_links
        (id, user_id, purpose, created_at, expires_at, used_at, hashed_password, email, email_norm)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""
_USE = sa.text("""
    UPDATE mail_links SET used_at = :now
    WHERE id = :link_id AND user_id = :user_id AND purpose = :purpose
        AND used_at IS NULL AND expires_at > :now
    RETURNING hashed_password, email, email_norm
""")
_END_ALL = sa.text("UPDATE mail_links SET used_at = :now WHERE user_id = :user_id AND used_at IS NULL")
_RECENT = "SELECT count(*) FROM mail_links WHERE user_id = $1 AND purpose = $2 AND created_at > $3"


def insert_link(tx: Transaction, link: NewLink) -> None:
    times = (link.created_at, link.expires_at, link.used_at)
    what = (link.hashed_password, link.email, link.email_norm)
    put_off(tx, Step(_INSERT, (link.id, link.user_id, link.purpose.value, *times, *what)))


async def use_link(
    tx: Transaction, *, user_id: UUID, link_id: UUID, purpose: Purpose, now: datetime
) -> UsedLink | None:
    """None when it was used, has expired or never was; of two who use it at once one gets it."""
    used = await tx.execute(
        _USE, {"user_id": user_id, "link_id": link_id, "purpose": purpose.value, "now": now}
    )
    row = used.mappings().one_or_none()
    return None if row is None else UsedLink(**row)


async def end_links(tx: Transaction, *, user_id: UUID, now: datetime) -> None:
    """Whatever is still in somebody's mailbox leads nowhere from now on."""
    await tx.execute(_END_ALL, {"user_id": user_id, "now": now})


def counting_recent_links(*, user_id: UUID, purpose: Purpose, since: datetime) -> Step:
    return Step(_RECENT, (user_id, purpose.value, since))


def number_of_links(rows: Sequence[Row]) -> int:
    [(number,)] = rows
    return number


async def count_recent_links(tx: Transaction, *, user_id: UUID, purpose: Purpose, since: datetime) -> int:
    [rows] = await ask(tx, counting_recent_links(user_id=user_id, purpose=purpose, since=since))
    return number_of_links(rows)


@dataclass(frozen=True)
class MadeLink:
    purpose: Purpose
    works: bool


async def read_link(tx: Transaction, *, user_id: UUID, link_id: UUID, now: datetime) -> MadeLink | None:
    """None when it was never made."""
    found = await tx.execute(
        sa.text("""
            SELECT purpose, used_at IS NULL AND expires_at > :now FROM mail_links
            WHERE id = :link_id AND user_id = :user_id
        """),
        {"user_id": user_id, "link_id": link_id, "now": now},
    )
    row = found.one_or_none()
    return None if row is None else MadeLink(Purpose(row[0]), row[1])


async def is_the_only_registration(tx: Transaction, *, user_id: UUID, hashed_password: str) -> bool:
    """Of the account's password; False also once no link tells any more who else has registered."""
    found = await tx.execute(
        sa.text("""
            SELECT coalesce(bool_and(hashed_password IS NOT DISTINCT FROM :hashed_password), false)
            FROM mail_links WHERE user_id = :user_id AND purpose = 'verify_email'
        """),
        {"user_id": user_id, "hashed_password": hashed_password},
    )
    return found.scalar_one()


async def link_works(tx: Transaction, *, user_id: UUID, link_id: UUID, now: datetime) -> bool | None:
    """Whether it can still be used; None when it was never made."""
    found = await tx.execute(
        sa.text("""
            SELECT used_at IS NULL AND expires_at > :now FROM mail_links
            WHERE id = :link_id AND user_id = :user_id
        """),
        {"user_id": user_id, "link_id": link_id, "now": now},
    )
    return found.scalar_one_or_none()


async def keep_former_email(tx: Transaction, *, user_id: UUID, link_id: UUID, former_email: str) -> None:
    """Where word of the change goes to; it is deleted with the link."""
    await tx.execute(
        sa.text("""
            UPDATE mail_links SET former_email = :former_email WHERE id = :link_id AND user_id = :user_id
        """),
        {"user_id": user_id, "link_id": link_id, "former_email": former_email},
    )
