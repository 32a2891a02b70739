import asyncio
import threading
from collections import Counter

import pytest

from auth_service.domain.passwords import Checked, HashingCost, Passwords
from auth_service.usecases.hashing import Hashing
from tests.support.auth_app import AuthApp
from tests.support.waiting import eventually

AT_ONCE, WAITING = 2, 8
LOGINS = 200
BODY = {"email": "nobody@example.org", "password": "correct horse battery"}


class Held(Passwords):
    """Hashes when it is let to, and knows how many it did at once."""

    def __init__(self) -> None:
        super().__init__(HashingCost(memory_kib=64, passes=1))
        self.let = threading.Event()
        self._lock = threading.Lock()
        self._now = self.most = 0

    def check(self, password: str, stored: str | None) -> Checked:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        self.let.wait(60)
        with self._lock:
            self._now -= 1
        return super().check(password, stored)


@pytest.fixture
def held(auth_app: AuthApp):
    """auth's hashing, held until it is let."""
    passwords = Held()
    hashing = Hashing(passwords, at_once=AT_ONCE, waiting=WAITING)
    object.__setattr__(auth_app.resources, "hashing", hashing)
    yield passwords
    passwords.let.set()
    hashing.close()


class TestTwoHundredLoginsAtOnce:
    async def test_are_served_up_to_the_bound_and_told_to_come_back_beyond_it(self, auth_app, held):
        async with auth_app.client() as client:
            storm = [asyncio.create_task(client.post("/login", json=BODY)) for _ in range(LOGINS)]
            refused = LOGINS - AT_ONCE - WAITING

            async def all_but_the_held() -> bool:
                """No connection is held while two threads hash and eight callers wait."""
                ended = sum(one.done() for one in storm)
                return ended >= refused and auth_app.database.pool.checked_out == 0

            await eventually(all_but_the_held, within=60)
            # and the loop is free
            other = await client.get("/me")
            held.let.set()
            answers = await asyncio.gather(*storm)

        assert other.status_code == 401
        assert held.most == AT_ONCE
        told = Counter((answer.status_code, "retry-after" in answer.headers) for answer in answers)
        # a machine under load may refuse some more, who waited too long for a connection
        assert LOGINS > told[503, True] >= refused
        assert told[503, True] + told[401, False] + told[429, True] == LOGINS


class TestAnEnormousPassword:
    @pytest.mark.parametrize(("bytes_", "status"), [(257, 422), (1_000_000, 422), (1_100_000, 413)])
    @pytest.mark.parametrize("path", ["/login", "/register"])
    async def test_is_refused_before_anything_is_hashed(self, auth_app, held, path, bytes_, status):
        async with auth_app.client() as client:
            answer = await client.post(path, json=BODY | {"password": "x" * bytes_})

        assert answer.status_code == status
        assert held.most == 0
