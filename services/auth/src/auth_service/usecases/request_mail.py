from enum import StrEnum
from uuid import UUID

from common.jobs.enqueue import enqueue
from common.postgres.engine import Transaction

MAIL_JOB = "mail"


class Mail(StrEnum):
    """What a mail says; each has a template in each language."""

    VERIFY_EMAIL = "verify_email"
    ACCOUNT_EXISTS = "account_exists"
    RESET_PASSWORD = "reset_password"  # noqa: S105 - a template's name
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - a template's name
    CONFIRM_EMAIL = "confirm_email"
    EMAIL_CHANGE_ASKED = "email_change_asked"
    EMAIL_CHANGED = "email_changed"
    EXPORT_READY = "export_ready"
    ACCOUNT_ERASED = "account_erased"


async def request_mail(tx: Transaction, mail: Mail, *, user_id: UUID, about: UUID) -> None:
    """Sent by a job that is made in this transaction; `about` is the link, or what else it is told of.

    Only ids are stored: address, language and the link's token are looked up and derived when it is sent.
    """
    await enqueue(
        tx,
        MAIL_JOB,
        dedupe_key=f"{mail}/{about}",
        user_id=user_id,
        arguments={"mail": mail.value, "about": str(about)},
    )
