"""What an error of the driver means: which pass by themselves, which are the caller's, which are a bug."""

from typing import Final

import asyncpg
from sqlalchemy.exc import DBAPIError

from common.errors import Kind, QuartetError, unavailable
from common.postgres.connection import TransactionAbortedError
from common.postgres.constraints import NO_CONSTRAINTS, Constraints

CONTENTION: Final = "database.contention"

_LOST: Final = (
    asyncpg.PostgresConnectionError,
    asyncpg.InternalClientError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    ConnectionError,
)
_CONTENTION: Final = (
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.LockNotAvailableError,
)
_REFUSED: Final = (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError)

# PgBouncer reports everything as a protocol violation; these will not pass by waiting
_POOLER_REFUSALS: Final = (
    "authentication failed",
    "no such database",
    "no such user",
    "unsupported startup parameter",
    "login rejected",
    "ssl required",
    "wrong password",
)


def driver_error(error: BaseException) -> BaseException:
    """The driver's own error inside SQLAlchemy's."""
    if isinstance(error, DBAPIError) and error.orig is not None:
        return error.orig.__cause__ or error.orig
    return error


def is_disconnect(error: BaseException) -> bool:
    cause = driver_error(error)
    return isinstance(cause, (*_LOST, asyncpg.InterfaceError)) and not _is_refusal(cause)


def at_begin(error: BaseException) -> QuartetError | None:
    """While connecting or beginning every lost, late or refused answer of the network is the database's."""
    cause = driver_error(error)
    if isinstance(cause, OSError | TimeoutError | asyncpg.InterfaceError) and not _is_refusal(cause):
        return _unavailable(cause)
    return translated(error, NO_CONSTRAINTS)


def translated(
    error: BaseException, constraints: Constraints, *, closed: bool = False
) -> QuartetError | None:
    """None for what is no error of the database's, or a mistake in our SQL: those stay what they are.

    `closed` says that the connection is gone, which makes sense of the errors that do not.
    """
    cause = driver_error(error)
    if isinstance(cause, TransactionAbortedError | asyncpg.InFailedSQLTransactionError):
        return _bug("database.transaction_aborted", "A failed statement's error was swallowed.")
    if isinstance(cause, asyncpg.IntegrityConstraintViolationError):
        name, table = getattr(cause, "constraint_name", None), getattr(cause, "table_name", None)
        return constraints.error(name, table=table) or _unknown_constraint(cause)
    if isinstance(cause, asyncpg.DataError) and not isinstance(cause, asyncpg.InvalidParameterValueError):
        return QuartetError("database.bad_value", "A value cannot be stored.", kind=Kind.INVALID)
    return _of_the_server(cause, closed=closed)


def _of_the_server(cause: BaseException, *, closed: bool) -> QuartetError | None:
    if isinstance(cause, _REFUSED) or _is_refusal(cause):
        return _bug("database.refused", f"The database refuses this process: {type(cause).__name__}.")
    if isinstance(cause, _CONTENTION):
        return unavailable(
            CONTENTION, "Others changed the same rows in the same moment.", retry_after_seconds=1
        )
    if isinstance(cause, asyncpg.QueryCanceledError | TimeoutError):
        return unavailable("database.timeout", "The database took too long.")
    if isinstance(cause, _LOST) or (closed and isinstance(cause, OSError | asyncpg.InterfaceError)):
        return _unavailable(cause)
    return None


def _is_refusal(error: BaseException) -> bool:
    return isinstance(error, asyncpg.ProtocolViolationError) and any(
        text in str(error).lower() for text in _POOLER_REFUSALS
    )


def _unavailable(cause: BaseException) -> QuartetError:
    return unavailable("database.unavailable", f"The database does not answer: {type(cause).__name__}.")


def _unknown_constraint(cause: asyncpg.IntegrityConstraintViolationError) -> QuartetError:
    """Names for the log, no values: the server's own detail quotes the row."""
    error = _bug("database.constraint", "The database refused this change.")
    names = (getattr(cause, attribute, None) for attribute in ("sqlstate", "table_name", "column_name"))
    error.add_note(f"constraint {getattr(cause, 'constraint_name', None)} of {list(names)}")
    return error


def _bug(code: str, detail: str) -> QuartetError:
    return QuartetError(code, detail, kind=Kind.INTERNAL)
