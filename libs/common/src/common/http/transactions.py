"""One transaction around a route, for those that decide once and would not need to begin again."""

from collections.abc import AsyncGenerator
from typing import Annotated

from fastapi import Depends

from common.http.permissions import CurrentUser
from common.http.resources import UseDatabase
from common.postgres.engine import Transaction


async def _own_transaction(user: CurrentUser, database: UseDatabase) -> AsyncGenerator[Transaction]:
    async with database.transaction(as_user=user.user_id) as tx:
        yield tx


OwnTransaction = Annotated[Transaction, Depends(_own_transaction, scope="function")]
"""The caller's. Committed before the answer's first byte; what the route raises rolls it back, so a refusal
that must leave a trace returns from `in_transaction` and is raised after it."""
