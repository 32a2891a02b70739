"""How long each thing may take. They nest: the innermost gives up first and says why (a test holds them)."""

from typing import Final

POOL_WAIT_SECONDS: Final = 2.0
"""For a place in our own pool, then 503 with Retry-After; the setting's default."""
CONNECT_SECONDS: Final = 3.0
BEGIN_SECONDS: Final = 3.0
ROLLBACK_SECONDS: Final = 3.0
STATEMENT_SECONDS: Final = 10.0
"""The server's `statement_timeout` of every api and worker login."""
COMMIT_SECONDS: Final = 11.0
COMMAND_SECONDS: Final = 12.0
"""The client's own, for a network that has fallen silent and brings no answer of the server."""
REQUEST_DEADLINE_SECONDS: Final = 15.0
"""The default of the setting; a transaction of a request is rolled back when it passes."""
IDLE_IN_TRANSACTION_SECONDS: Final = 20.0
"""The server's; it also ends what a stopped process holds, a paused relay's lock for example. The pooler's
`query_timeout` is as long: who stopped between describing and executing is not idle to the server."""

MIGRATION_LOCK_SECONDS: Final = 5.0
"""A migration that waits for a lock makes everybody wait behind it: it gives up and is run again."""
MIGRATION_STATEMENT_SECONDS: Final = 900.0
