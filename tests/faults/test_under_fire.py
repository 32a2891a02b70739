"""Thirty random kills while people register; what was accepted is there, once and in order."""

from dataclasses import dataclass, field
from uuid import UUID

import pytest

from common.contracts.topics import USERS
from common.postgres.engine import Database
from tests.support.accounting import (
    LISTENERS,
    ONCE,
    TOLD_OF,
    Account,
    Telling,
    accounts,
    first_times,
    incomplete,
    parked,
    tellings,
    unheard,
    waiting,
)
from tests.support.campaign import Campaign, Length
from tests.support.parts import APIS, WORKERS, probes
from tests.support.traffic import Chronicle, Registrations
from tests.support.waiting import eventually

SETTLED_SECONDS = 90.0


@dataclass
class Aftermath:
    """What is found when everything has had its time to come to rest."""

    seed: int
    load: Registrations
    chronicle: Chronicle
    unsettled: str = ""
    accounts: list[Account] = field(default_factory=list)
    effects: dict[str, dict[str, list[Telling]]] = field(default_factory=dict)
    """By event type, then by user."""
    registered: dict[str, list[Telling]] = field(default_factory=dict)
    written: dict[str, list[Telling]] = field(default_factory=dict)
    """Of the keys with many versions."""


@pytest.fixture(scope="module")
async def aftermath(whole, stack, parts, seed, say):
    database = Database(
        whole.database_settings("auth", "api").model_copy(update={"pool_size": 2}),
        service="auth",
        application_name="chronicle",
    )
    load, chronicle = Registrations(stack), Chronicle(database)
    campaign = Campaign(parts, load, seed)
    try:
        async with load.flowing(), chronicle.flowing():
            await campaign.run(Length.chosen())
            await parts.well()
    finally:
        say(campaign.told())
        await database.close()
    found = Aftermath(seed, load, chronicle)
    await look(whole, found)
    say(told(found))
    return found


async def look(whole, found: Aftermath) -> None:
    connection = await whole.connect()
    try:

        async def settled() -> bool:
            left = (await waiting(connection), await incomplete(connection, found.load.prefix))
            assert not any(left), left
            assert await unheard(connection, certain(found.chronicle)) == {}
            return True

        try:
            await eventually(settled, within=SETTLED_SECONDS, every=0.5)
        except AssertionError as error:
            found.unsettled = str(error)
        found.accounts = await accounts(connection, found.load.prefix)
    finally:
        await connection.close()
    users = [account.user_id for account in found.accounts]
    async with whole.streams() as streams:
        for event_type, topic in TOLD_OF.items():
            found.effects[event_type] = await tellings(streams, topic, users)
        found.registered = await tellings(streams, USERS, users)
        found.written = await tellings(streams, USERS, found.chronicle.told)


def certain(chronicle: Chronicle) -> list[UUID]:
    return [event for versions in chronicle.told.values() for event in versions.values()]


def told(found: Aftermath) -> str:
    sent = [*found.registered.values(), *found.written.values()]
    again = sum(len(one) - len(first_times(one)) for one in sent)
    answers = ", ".join(f"{number} × {answer}" for answer, number in sorted(found.load.answers.items()))
    return (
        f"{len(found.accounts)} accounts, {found.chronicle.written} versions of {len(found.written)} keys, "
        f"{again} of {sum(map(len, sent))} events sent again; answers: {answers}"
    )


class TestAcceptedRegistration:
    def test_is_never_lost(self, aftermath):
        assert set(aftermath.load.accepted) - {account.email for account in aftermath.accounts} == set()
        assert len(aftermath.load.accepted) > 50

    def test_is_an_account_once(self, aftermath):
        emails = [account.email for account in aftermath.accounts]

        assert sorted(emails) == sorted(set(emails))


class TestEffect:
    def test_of_every_account_is_there_once(self, aftermath):
        assert {a.email: a.effects for a in aftermath.accounts if a.effects != ONCE} == {}

    def test_is_told_of_by_one_event(self, aftermath):
        told = {
            (event_type, key): len(first_times(tellings))
            for event_type, keys in aftermath.effects.items()
            for key, tellings in keys.items()
        }

        assert {name: number for name, number in told.items() if number != 1} == {}
        assert len(told) == len(TOLD_OF) * len(aftermath.accounts)


class TestEvent:
    def test_of_every_account_was_relayed_and_is_one(self, aftermath):
        told = {key: len(first_times(tellings)) for key, tellings in aftermath.registered.items()}

        assert {key: number for key, number in told.items() if number != 1} == {}

    def test_that_was_committed_is_on_its_topic(self, aftermath):
        for key, versions in aftermath.chronicle.told.items():
            on_topic = {one.event_id for one in aftermath.written[str(key)]}

            assert set(versions.values()) - on_topic == set(), key

    def test_that_was_rolled_back_is_not_there(self, aftermath):
        """What nobody was told of may be there; nothing else may."""
        known = {*certain(aftermath.chronicle), *aftermath.chronicle.doubtful}
        on_topics = {one.event_id for told in aftermath.written.values() for one in told}

        assert on_topics - known == set()

    async def test_was_heard_by_every_listener(self, aftermath, operator):
        on_topics = {one.event_id for told in aftermath.written.values() for one in told}

        assert await unheard(operator, on_topics) == {}
        assert LISTENERS == ("profile", "calendar", "chat")


class TestKey:
    def test_keeps_the_order_of_its_versions(self, aftermath):
        for key, told in aftermath.written.items():
            versions = [one.data["version"] for one in first_times(told)]

            assert versions == sorted(set(versions)), key

    async def test_has_its_first_version_applied_first(self, aftermath, operator):
        rows = await operator.fetch(
            "select user_id::text as key, display_name from profile.profiles where user_id = any($1)",
            list(aftermath.chronicle.told),
        )

        assert {row["key"]: row["display_name"] for row in rows} == {
            key: told[0].data["full_name"] for key, told in aftermath.written.items()
        }

    async def test_is_not_parked(self, aftermath, operator):
        assert await parked(operator) == {}


class TestStack:
    def test_comes_to_rest_by_itself(self, aftermath):
        assert aftermath.unsettled == ""

    async def test_is_alive_and_ready(self, aftermath, parts):
        for name in ("livez", "readyz"):
            assert await probes(parts, name) == dict.fromkeys((*APIS, *WORKERS), 200)

    def test_never_answered_with_a_fault_of_its_own(self, aftermath):
        """An outage is told as one: 503 and 504, which callers may try again; never a 500."""
        refused = {answer for answer in aftermath.load.answers if answer != "202"}

        assert {answer for answer in refused if not answer.startswith(("503 ", "504 "))} == set()
