from auth_service.domain.service_clients import CLIENT_ID, ServiceClient, is_secret
from auth_service.storage.service_clients import find_service_client
from common.postgres.context import Context
from common.postgres.engine import Database


async def authenticate_client(database: Database, client_id: str, secret: str) -> ServiceClient | None:
    """None for a client that is unknown, is disabled or has another secret; all three cost the same."""
    if CLIENT_ID.fullmatch(client_id) is None:
        return None
    async with database.transaction(as_user=Context.SHARED) as tx:
        row = await find_service_client(tx, client_id=client_id)
    right = is_secret(secret, None if row is None else row.secret_hash)
    if row is None or not right or not row.is_active:
        return None
    return ServiceClient(client_id, audiences=frozenset(row.audiences), scopes=frozenset(row.scopes))
