"""Going on as somebody else in the same transaction, where one decision needs rows of two kinds of role."""

from common.postgres.asking import put_off
from common.postgres.context import AsUser
from common.postgres.engine import Transaction
from common.postgres.trip import becoming


def become(tx: Transaction, service: str, as_user: AsUser) -> None:
    """From the next statement on; what a login may become is its membership."""
    put_off(tx, becoming(service, as_user))
