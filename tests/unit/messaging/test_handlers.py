import asyncio
from typing import Any

import pytest

from common.contracts.auth import SessionRevoked, UserRegistered
from common.contracts.profile import ProfileCreated
from common.contracts.topics import SESSIONS, USERS
from common.messaging.delivery import Delivery
from common.messaging.handlers import Handlers
from tests.support.factories import session_revoked, user_registered


async def nothing(_tx: Any, _event: Any) -> None:
    pass


class TestHandlers:
    def test_subscribe_to_the_topics_of_their_types(self):
        handlers = Handlers("profile")
        handlers.each(UserRegistered, nothing)
        handlers.batch(SessionRevoked, nothing)

        assert handlers.topics == (SESSIONS, USERS)
        assert set(handlers.payload_types) == {"user.registered.v1", "session.revoked.v1"}

    def test_refuse_a_topic_that_the_service_may_not_read(self):
        with pytest.raises(ValueError, match=r"does not listen to profile\.profile\.v1"):
            Handlers("chat").each(ProfileCreated, nothing)

    def test_take_two_versions_of_a_type_each_with_its_handler(self):
        class UserRegisteredAnew(UserRegistered):
            event_version = 2

        handlers = Handlers("profile")
        handlers.each(UserRegistered, nothing)
        handlers.each(UserRegisteredAnew, nothing)

        assert handlers.payload_types == {
            "user.registered.v1": UserRegistered,
            "user.registered.v2": UserRegisteredAnew,
        }

    def test_refuse_a_second_handler_of_a_version(self):
        handlers = Handlers("chat")
        handlers.each(UserRegistered, nothing)

        with pytest.raises(ValueError, match="already"):
            handlers.batch(UserRegistered, nothing)


class TestDelivery:
    def test_groups_by_type_and_never_past_an_earlier_event_of_the_key(self):
        calls: list[tuple[str, int]] = []

        async def users(_tx: Any, events: Any) -> None:
            calls.append(("users", len(events)))

        async def sessions(_tx: Any, events: Any) -> None:
            calls.append(("sessions", len(events)))

        handlers = Handlers("profile")
        handlers.batch(UserRegistered, users)
        handlers.batch(SessionRevoked, sessions)
        delivery = Delivery(None, handlers, consumer="c")  # type: ignore[arg-type] - not asked
        key = user_registered().data.user_id
        free = [user_registered(), session_revoked(), user_registered(), session_revoked()]
        tied = [user_registered(key), session_revoked(session_id=key), user_registered(key)]

        asyncio.run(delivery.handle(None, free))  # type: ignore[arg-type] - not asked
        asyncio.run(delivery.handle(None, tied))  # type: ignore[arg-type] - not asked

        assert calls == [("users", 2), ("sessions", 2), ("users", 1), ("sessions", 1), ("users", 1)]
