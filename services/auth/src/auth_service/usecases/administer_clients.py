from collections.abc import Callable
from datetime import datetime

from auth_service.domain.service_clients import ServiceClient, new_secret, secret_hash
from auth_service.storage.audit import audit
from auth_service.storage.service_clients import disable_service_client, insert_service_client
from common.ids import NewId
from common.postgres.engine import Transaction

_ACTOR = "system:clients"


async def add_client(
    tx: Transaction,
    client: ServiceClient,
    *,
    now: datetime,
    new_id: NewId,
    randomness: Callable[[int], bytes],
) -> str | None:
    """As system. The secret, which nobody can be told again; None when there is one of this name."""
    secret = new_secret(randomness)
    added = await insert_service_client(
        tx,
        client_id=client.client_id,
        secret_hash=secret_hash(secret),
        audiences=client.audiences,
        scopes=client.scopes,
        now=now,
    )
    if not added:
        return None
    await audit(
        tx,
        entry_id=new_id(),
        actor=_ACTOR,
        action="service_client.added",
        user_id=None,
        data={
            "client_id": client.client_id,
            "audiences": sorted(client.audiences),
            "scopes": sorted(client.scopes),
        },
    )
    return secret


async def disable_client(tx: Transaction, *, client_id: str, new_id: NewId) -> bool:
    """As system. It gets no token from now on; those it has end within five minutes."""
    if not await disable_service_client(tx, client_id=client_id):
        return False
    await audit(
        tx,
        entry_id=new_id(),
        actor=_ACTOR,
        action="service_client.disabled",
        user_id=None,
        data={"client_id": client_id},
    )
    return True
