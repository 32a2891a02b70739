from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from common.postgres.engine import Transaction


@dataclass(frozen=True)
class MailRecipient:
    email: str
    language: str


@dataclass(frozen=True)
class LinkAddresses:
    """Of a change of address: where to, and once it has happened where from."""

    email: str | None
    former_email: str | None


async def read_recipient(tx: Transaction, *, user_id: UUID) -> MailRecipient | None:
    """None when there is nobody, or the account is closed."""
    found = await tx.execute(
        sa.text("SELECT email, language FROM users WHERE id = :user_id AND is_active"), {"user_id": user_id}
    )
    row = found.mappings().one_or_none()
    return None if row is None else MailRecipient(**row)


async def read_link_addresses(tx: Transaction, *, user_id: UUID, link_id: UUID) -> LinkAddresses | None:
    found = await tx.execute(
        sa.text("SELECT email, former_email FROM mail_links WHERE id = :link_id AND user_id = :user_id"),
        {"link_id": link_id, "user_id": user_id},
    )
    row = found.mappings().one_or_none()
    return None if row is None else LinkAddresses(**row)
