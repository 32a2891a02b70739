"""The statements of `common.jobs` as the model of PostgreSQL runs them."""

import json
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from common.jobs import claiming, control, counting, endings
from tests.simulation.postgres import Mode, ModelTransaction, PostgresModel, Waits, rows

EFFECT = "write the effect of a page"
CANCEL = "ask a job to stop"
_CLAIMED = "id kind dedupe_key user_id arguments attempts most progress created_at claim trace"
_DONE = rows("one", [(1,)])


@dataclass
class Rules:
    """What jobs rest on; a planted fault takes one of them away."""

    lease_in_claim: bool = True
    claim_in_ending: bool = True
    claim_in_progress: bool = True
    turns_per_user: bool = True


@dataclass(frozen=True)
class JobRow:
    user_id: UUID
    state: str = "queued"
    run_at: float = 0.0
    attempts: int = 0
    claim: UUID | None = None
    until: float = 0.0
    cancel: bool = False
    done: int | None = None
    checkpoint: Any = None

    @property
    def finished(self) -> bool:
        return self.state in {"succeeded", "failed", "cancelled"}

    def due_at(self, now: float) -> float:
        if self.state == "running":
            return self.until
        return now if self.cancel else self.run_at

    def is_free(self, now: float) -> bool:
        return self.state == "queued" or (self.state == "running" and self.until <= now)


class JobsTable:
    """Every job is of the kind `pages`."""

    def __init__(self, model: PostgresModel, rules: Rules) -> None:
        self._model = model
        self._rules = rules
        self.taken_over = 0
        model.teach(
            {
                claiming._LOOK: self.look,
                claiming._TAKE_TURNS: self.take_turns,
                claiming._END_WITHOUT_RUN: self.end_without_run,
                claiming._CLAIM: self.claim,
                claiming._EXTEND: self.extend,
                control._BECOME: self.become,
                control._WRITE: self.progress,
                endings._FINISH: self.finish,
                endings._TRY_LATER: self.try_later,
                endings._HAND_BACK: self.hand_back,
                counting._COUNT: self.nothing,
                EFFECT: self.effect,
                CANCEL: self.cancel,
            }
        )

    @property
    def committed(self) -> dict[UUID, JobRow]:
        return self._model.table("jobs")

    def nothing(self, tx: ModelTransaction, _: Any) -> Waits:
        return None
        yield

    def look(self, tx: ModelTransaction, asked: dict[str, Any]) -> Waits:
        moments = [
            tx.now
            if row.cancel and row.state == "queued"
            else row.run_at
            if row.state == "queued"
            else row.until
            for row in tx.visible("jobs").values()
            if not row.finished and (row.run_at <= tx.now + asked["ahead"] or row.cancel)
        ]
        return rows("kind in_seconds", [("pages", min(moments) - tx.now)] if moments else [])
        yield

    def take_turns(self, tx: ModelTransaction, _: Any) -> Waits:
        if self._rules.turns_per_user:
            yield from tx.lock("turns", "pages")

    def end_without_run(self, tx: ModelTransaction, asked: dict[str, Any]) -> Waits:
        ended = []
        for job_id in tx.visible("jobs"):
            row = self._locked(tx, job_id)
            if row is None or row.finished or not row.is_free(tx.now):
                continue
            if row.cancel or (row.state == "running" and row.attempts >= asked["most"]):
                ended.append("cancelled" if row.cancel else "failed")
                tx.write("jobs", job_id, replace(row, state=ended[-1], claim=None))
        return rows("state", [(state,) for state in ended])
        yield

    def claim(self, tx: ModelTransaction, asked: dict[str, Any]) -> Waits:
        busy: dict[UUID, int] = {}
        for row in tx.visible("jobs").values():
            if row.state == "running" and row.until > tx.now:
                busy[row.user_id] = busy.get(row.user_id, 0) + 1
        taken = []
        for job_id, seen in list(tx.visible("jobs").items()):
            due = not seen.finished and seen.run_at <= tx.now
            if not due or busy.get(seen.user_id, 0) >= asked["per_user"] or len(taken) == asked["slots"]:
                continue
            row = self._locked(tx, job_id)
            if row is None or row.finished or not (row.is_free(tx.now) or not self._rules.lease_in_claim):
                continue
            self._must("claimed while the lease of another stands", row.is_free(tx.now))
            busy[row.user_id] = busy.get(row.user_id, 0) + 1
            self.taken_over += row.state == "running"
            claimed = replace(
                row,
                state="running",
                attempts=row.attempts + 1,
                claim=asked["claim"],
                until=tx.now + asked["lease"],
            )
            tx.write("jobs", job_id, claimed)
            taken.append(self._as_claimed(job_id, claimed, asked["most"]))
        return rows(_CLAIMED, taken)
        yield

    def extend(self, tx: ModelTransaction, asked: dict[str, Any]) -> Waits:
        found = []
        for job_id, claim, seconds in zip(asked["ids"], asked["claims"], asked["seconds"], strict=True):
            row = tx.visible("jobs")[job_id]
            if row.claim != claim:
                continue
            is_free = tx._conflicting(("jobs", job_id), Mode.NO_KEY_UPDATE) is None
            if is_free:
                yield from tx.lock("jobs", job_id, Mode.NO_KEY_UPDATE)
                tx.write("jobs", job_id, replace(row, until=tx.now + seconds))
            found.append((job_id, claim, is_free, row.cancel))
        return rows("id claim extended cancel_requested", found)

    def become(self, tx: ModelTransaction, _: Any) -> Waits:
        return rows("former", [("pages_user",)])
        yield

    def progress(self, tx: ModelTransaction, told: dict[str, Any]) -> Waits:
        row = yield from self._of_holder(tx, told, is_guarded=self._rules.claim_in_progress)
        if row is None:
            return None
        if row.done is None or told["done"] >= row.done:
            checkpoint = row.checkpoint if told["checkpoint"] is None else json.loads(told["checkpoint"])
            row = replace(row, done=told["done"], checkpoint=checkpoint)
        tx.write("jobs", told["id"], row)
        return _DONE

    def finish(self, tx: ModelTransaction, told: dict[str, Any]) -> Waits:
        row = yield from self._of_holder(tx, told, is_guarded=self._rules.claim_in_ending)
        if row is None:
            return None
        self._must("a job that had ended has ended once more", not row.finished)
        tx.write("jobs", told["id"], replace(row, state=told["state"], claim=None))
        return _DONE

    def try_later(self, tx: ModelTransaction, told: dict[str, Any]) -> Waits:
        row = yield from self._of_holder(tx, told, is_guarded=self._rules.claim_in_ending)
        if row is None:
            return None
        self._must("a job that had ended was queued again", not row.finished)
        tx.write("jobs", told["id"], replace(row, state="queued", run_at=tx.now + told["wait"], claim=None))
        return _DONE

    def hand_back(self, tx: ModelTransaction, told: dict[str, Any]) -> Waits:
        row = yield from self._of_holder(tx, told, is_guarded=self._rules.claim_in_ending)
        if row is None:
            return None
        tx.write("jobs", told["id"], replace(row, state="queued", attempts=row.attempts - 1, claim=None))
        return _DONE

    def effect(self, tx: ModelTransaction, told: tuple[UUID, int, UUID]) -> Waits:
        yield from tx.insert("effects", told, True)

    def cancel(self, tx: ModelTransaction, job_id: UUID) -> Waits:
        yield from tx.lock("jobs", job_id, Mode.NO_KEY_UPDATE)
        row = tx.visible("jobs")[job_id]
        if not row.finished:
            tx.write("jobs", job_id, replace(row, cancel=True))

    def _must(self, sentence: str, holds: bool) -> None:
        """Fails the schedule: raised here, the runner would survive it as it survives everything."""
        if not holds:
            self._model.world.errors.append(AssertionError(sentence))

    def _locked(self, tx: ModelTransaction, job_id: UUID) -> JobRow | None:
        """FOR UPDATE SKIP LOCKED; what it holds is asked anew under the lock."""
        return tx.visible("jobs")[job_id] if tx.try_lock("jobs", job_id) else None

    def _of_holder(self, tx: ModelTransaction, told: dict[str, Any], *, is_guarded: bool) -> Waits:
        yield from tx.lock("jobs", told["id"], Mode.NO_KEY_UPDATE)
        row = tx.visible("jobs")[told["id"]]
        return row if row.claim == told["claim"] or not is_guarded else None

    def _as_claimed(self, job_id: UUID, row: JobRow, most: int) -> tuple[Any, ...]:
        known = None if row.done is None else {"done": row.done, "checkpoint": row.checkpoint}
        return (
            job_id,
            "pages",
            str(job_id),
            row.user_id,
            {},
            row.attempts,
            most,
            known,
            None,
            row.claim,
            None,
        )
