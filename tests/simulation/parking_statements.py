"""The statements of inbox, parking, replays and dead letters as the model of PostgreSQL runs them."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from common.errors import Kind, QuartetError
from common.messaging import dead_letters, draining, inbox, parking, replay
from common.postgres import trip
from tests.simulation.postgres import Mode, ModelTransaction, PostgresModel, Waits, rows

EFFECT = "an effect"
_LETTER = "id consumer topic partition record_offset key event_id event_type user_id kind error_class"
_LETTER += " error_detail attempts trace versions parked_at"


@dataclass
class Rules:
    """What the consumer rests on; a planted fault takes one of them away."""

    inbox: bool = True
    parked_keys_wait: bool = True
    """A message whose key is parked goes behind what waits there."""
    parked_is_asked_after_the_inbox: bool = True
    replay_locks_the_key: bool = True


class Parking:
    def __init__(self, model: PostgresModel, rules: Rules, applied: list[tuple[UUID, str, int]]) -> None:
        self.model = model
        self.rules = rules
        self.applied = applied
        """What has had its effect, in the order of commits."""

    def teach(self) -> None:
        self.model.teach(
            {
                EFFECT: self.effect,
                trip._AS: self.nothing,
                inbox._CLAIM: self.claim,
                parking._SEEN: self.seen,
                parking._PARKED: self.parked,
                parking._PARK_KEY: self.park_key,
                parking._PARK_MESSAGE: self.park_message,
                replay._LOCK_KEY: self.lock_key,
                replay._FIRST: self.first,
                replay._LOCK_MESSAGE: self.lock_message,
                replay._OPEN_WHEN_EMPTY: self.open_when_empty,
                replay._NOTE_KEY: self.note_key,
                replay._NOTE_MESSAGE: self.nothing,
                replay._DELETE_MESSAGE: self.delete_message,
                draining._DUE: self.due,
                draining._COUNT: self.nothing,
                draining._OLDEST: self.oldest,
                dead_letters._FIND: self.find,
                dead_letters._AUDIT: self.nothing,
            }
        )

    def nothing(self, tx: ModelTransaction, _: Any) -> Waits:
        return None
        yield

    def effect(self, tx: ModelTransaction, told: tuple[UUID, str, int]) -> Waits:
        """In the order of commits: what a transaction did becomes visible as a whole."""
        effects = tx.notes.setdefault("effects", [])
        effects.append(told)
        tx.on_commit = lambda: self._apply(tx, effects)
        return None
        yield

    def _apply(self, tx: ModelTransaction, effects: list[tuple[UUID, str, int]]) -> None:
        self.applied.extend(effects)
        self.model.world.note(tx.process.name, "applies", *(f"{key[-1]}:{v}" for _, key, v in effects))

    def claim(self, tx: ModelTransaction, asked: tuple[str, list[UUID]]) -> Waits:
        tx.notes["parked before"] = set(tx.visible("parked_keys"))
        claimed: list[tuple[UUID]] = []
        for event_id in sorted(set(asked[1])):
            fresh = yield from tx.insert("inbox", event_id, True)
            if fresh or not self.rules.inbox:
                claimed.append((event_id,))
        return rows("event_id", claimed)

    def seen(self, tx: ModelTransaction, _: Any) -> Waits:
        if not self.rules.parked_keys_wait:
            return rows("topic key", [])
        asked_late = self.rules.parked_is_asked_after_the_inbox
        return rows(
            "topic key", sorted(tx.visible("parked_keys") if asked_late else tx.notes["parked before"])
        )
        yield

    def parked(self, tx: ModelTransaction, asked: dict[str, Any]) -> Waits:
        seen = set(tx.visible("parked_keys"))
        found: list[tuple[str, str]] = []
        for name in sorted(seen & set(zip(asked["topics"], asked["keys"], strict=True))):
            yield from tx.lock("parked_keys", name, Mode.KEY_SHARE)
            if name in tx.visible("parked_keys"):
                found.append(name)
        return rows("topic key", found)

    def park_key(self, tx: ModelTransaction, row: dict[str, Any]) -> Waits:
        name = (row["topic"], row["key"])
        due = None if row["drain_after"] is None else tx.now + row["drain_after"].total_seconds()
        while not (yield from tx.insert("parked_keys", name, (row["kind"], due, row["attempts"]))):
            yield from tx.lock("parked_keys", name, Mode.NO_KEY_UPDATE)
            if name in tx.visible("parked_keys"):
                return

    def park_message(self, tx: ModelTransaction, row: dict[str, Any]) -> Waits:
        if row["key"] is not None:
            yield from tx.lock("parked_keys", (row["topic"], row["key"]), Mode.KEY_SHARE)
            if (row["topic"], row["key"]) not in tx.visible("parked_keys"):
                self._violated("a message is parked in a key that is not there")
        yield from tx.insert("parked_messages", row["id"], row)
        self.model.world.note(tx.process.name, "parks", row["key"][-1:], row["record_offset"])

    def lock_key(self, tx: ModelTransaction, name: dict[str, str]) -> Waits:
        key = (name["topic"], name["key"])
        if key not in tx.visible("parked_keys"):
            return None
        if self.rules.replay_locks_the_key:
            yield from tx.lock("parked_keys", key, Mode.UPDATE)
        found = tx.visible("parked_keys").get(key)
        return None if found is None else rows("kind", [(found[0],)])

    def first(self, tx: ModelTransaction, name: dict[str, str]) -> Waits:
        waiting = self._messages(tx, name["topic"], name["key"])
        return rows("id", [(row["id"],) for row in waiting[:1]])
        yield

    def lock_message(self, tx: ModelTransaction, asked: dict[str, UUID]) -> Waits:
        if asked["id"] not in tx.visible("parked_messages"):
            return None
        yield from tx.lock("parked_messages", asked["id"])
        row = tx.visible("parked_messages").get(asked["id"])
        names = ("partition", "record_offset", "key", "headers", "payload")
        return None if row is None else rows(" ".join(names), [tuple(row[name] for name in names)])

    def delete_message(self, tx: ModelTransaction, asked: dict[str, UUID]) -> Waits:
        yield from tx.delete("parked_messages", asked["id"])
        self.model.world.note(tx.process.name, "takes out a parked message")

    def open_when_empty(self, tx: ModelTransaction, name: dict[str, str]) -> Waits:
        key = (name["topic"], name["key"])
        # as PostgreSQL: what is waited for below does not make it look at the messages again
        if key not in tx.visible("parked_keys") or self._messages(tx, *key):
            return
        yield from tx.delete("parked_keys", key)
        if self._messages(tx, *key):
            self._violated("a key is opened in which messages wait")

    def note_key(self, tx: ModelTransaction, noted: dict[str, Any]) -> Waits:
        key = (noted["topic"], noted["key"])
        yield from tx.lock("parked_keys", key, Mode.NO_KEY_UPDATE)
        row = tx.visible("parked_keys").get(key)
        if row is not None:
            attempts = row[2] + 1
            due = tx.now + min(noted["first"].total_seconds() * 2 ** min(row[2], 20), 600)
            tx.write("parked_keys", key, (noted["kind"], due, attempts))

    def due(self, tx: ModelTransaction, _: Any) -> Waits:
        keys = tx.visible("parked_keys").items()
        due = [key for key, (kind, at, _) in keys if kind == "transient" and at is not None and at <= tx.now]
        return rows("topic key", sorted(due))
        yield

    def oldest(self, tx: ModelTransaction, _: Any) -> Waits:
        return rows("age", [(0.0,)])
        yield

    def find(self, tx: ModelTransaction, asked: dict[str, Any]) -> Waits:
        found = sorted(
            tx.visible("parked_messages").values(),
            key=lambda row: (row["topic"], row["key"] or "", row["partition"], row["record_offset"]),
        )
        letters = [row for row in found if asked["key"] in {None, row["key"]}]
        return rows(_LETTER, [tuple(row.get(name) for name in _LETTER.split()) for row in letters])
        yield

    def _violated(self, what: str) -> None:
        """The foreign key would refuse it, and somebody might try again: that it is tried is the failure."""
        error = QuartetError("database.constraint", what, kind=Kind.INTERNAL)
        self.model.world.errors.append(error)
        raise error

    def _messages(self, tx: ModelTransaction, topic: str, key: str) -> list[dict[str, Any]]:
        waiting = [
            row
            for row in tx.visible("parked_messages").values()
            if (row["topic"], row["key"]) == (topic, key)
        ]
        return sorted(waiting, key=lambda row: (row["partition"], row["record_offset"]))
