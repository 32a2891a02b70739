import json
from collections.abc import Sequence
from datetime import datetime

from joserfc.jwk import ECKey

from auth_service.domain.key_rotation import KeyState, Rotation, Step, next_steps, replacement
from auth_service.storage.audit import audit
from auth_service.storage.signing_keys import (
    SigningKeyRow,
    insert_signing_key,
    lock_signing_keys,
    set_key_state,
)
from auth_service.storage.tables import PRIVATE_SEALED
from common.crypto import Cipher
from common.ids import NewId
from common.postgres.engine import Transaction


async def rotate_signing_keys(
    tx: Transaction,
    cipher: Cipher,
    rotation: Rotation,
    *,
    now: datetime,
    new_id: NewId,
    asked: bool = False,
) -> list[Step]:
    """As system. Does what is due, which mostly is nothing; also makes the first key."""
    keys = await lock_signing_keys(tx)
    steps = next_steps(keys, rotation, now=now, asked=asked)
    return await _take(tx, cipher, steps, now=now, new_id=new_id)


async def replace_signing_keys(
    tx: Transaction, cipher: Cipher, *, now: datetime, new_id: NewId
) -> list[Step]:
    """As system, when a key may have been stolen: nothing that was signed until now counts."""
    return await _take(tx, cipher, replacement(await lock_signing_keys(tx)), now=now, new_id=new_id)


async def _take(
    tx: Transaction, cipher: Cipher, steps: Sequence[Step], *, now: datetime, new_id: NewId
) -> list[Step]:
    taken: list[Step] = []
    for step in steps:
        if step.kid is None:
            row = _new_key(cipher, step.state)
            await insert_signing_key(tx, row, now=now)
            taken.append(Step(step.state, row.kid))
        else:
            await set_key_state(tx, kid=step.kid, state=step.state, now=now)
            taken.append(step)
    for step in taken:
        await audit(
            tx,
            entry_id=new_id(),
            actor="system:keys",
            action=f"signing_key.{step.state}",
            user_id=None,
            data={"kid": step.kid},
        )
    return taken


def _new_key(cipher: Cipher, state: KeyState) -> SigningKeyRow:
    key = ECKey.generate_key("P-256", {"use": "sig", "alg": "ES256"}, auto_kid=True)
    kid = key.kid or ""
    private = json.dumps(key.as_dict(private=True)).encode()
    return SigningKeyRow(
        kid=kid,
        public_jwk=dict(key.as_dict(private=False)),
        private_sealed=cipher.seal(private, place=PRIVATE_SEALED.place(kid)),
        state=state,
    )
