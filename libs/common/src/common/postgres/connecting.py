"""Connections of the two modes of libpq that are content with either: TLS or no TLS."""

from typing import Any, Literal

import asyncpg


async def connect_either_way(mode: Literal["allow", "prefer"], **arguments: Any) -> asyncpg.Connection:
    """`prefer` tries TLS first, `allow` last; arguments are `asyncpg.connect`'s, with a context for `ssl`.

    The driver does this by itself when it is told the mode's name, but then never looks at a certificate.
    """
    plain: dict[str, Any] = arguments | {"ssl": False}
    first, second = (plain, arguments) if mode == "allow" else (arguments, plain)
    try:
        return await asyncpg.connect(**first)
    except TimeoutError:
        raise
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as refused:
        try:
            return await asyncpg.connect(**second)
        except asyncpg.InvalidPasswordError:
            raise
        except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.ProtocolViolationError) as error:
            # that this way is not open either says less than why the other one failed
            raise refused from error
