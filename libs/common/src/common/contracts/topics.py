"""Every topic, who writes it and who listens: this file is the architecture diagram."""

from dataclasses import dataclass
from datetime import timedelta

SERVICES = ("auth", "profile", "calendar", "chat")
"""Short names, as in schemas, roles, aliases, topics, Redis prefixes, URLs and certificates."""


@dataclass(frozen=True)
class Topic:
    name: str
    listeners: tuple[str, ...]
    partitions: int = 12
    retention: timedelta = timedelta(days=7)

    @property
    def service(self) -> str:
        """The one service that may write it."""
        return self.name.partition(".")[0]


USERS = Topic("auth.user.v1", listeners=("profile", "calendar", "chat"))
SESSIONS = Topic("auth.session.v1", listeners=("profile", "calendar", "chat"))
PROFILES = Topic("profile.profile.v1", listeners=())
CALENDARS = Topic("calendar.calendar.v1", listeners=())
CHAT_SESSIONS = Topic("chat.session.v1", listeners=())
PROFILE_ERASURES = Topic("profile.erasure.v1", listeners=("auth",))
CALENDAR_ERASURES = Topic("calendar.erasure.v1", listeners=("auth",))
CHAT_ERASURES = Topic("chat.erasure.v1", listeners=("auth",))

TOPICS = (
    *(USERS, SESSIONS, PROFILES, CALENDARS, CHAT_SESSIONS),
    *(PROFILE_ERASURES, CALENDAR_ERASURES, CHAT_ERASURES),
)


def heard_by(service: str) -> tuple[Topic, ...]:
    return tuple(topic for topic in TOPICS if service in topic.listeners)


def resource_prefix(service: str, *, installation: str = "") -> str:
    """How the names of a service's own topics, consumer groups and transactional ids begin.

    One prefix for all three lets one prefixed ACL each say what a service may touch. `installation` keeps
    several stacks apart on one cluster, as tests do.
    """
    return f"{installation}{service}."
