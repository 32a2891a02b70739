"""What a violated constraint means to the caller, by the constraint's name."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from common.errors import Fault, Kind, QuartetError


@dataclass(frozen=True)
class Constraint:
    code: str
    detail: str
    pointer: str | None = None
    """The field at fault, as a JSON pointer."""
    kind: Kind = Kind.CONFLICT

    def error(self) -> QuartetError:
        faults = (Fault(self.pointer, self.code, self.detail),) if self.pointer is not None else ()
        return QuartetError(self.code, self.detail, kind=self.kind, faults=faults)


@dataclass(frozen=True)
class Constraints:
    """A service's registry: every constraint of its schema stands in one of the two, and a test compares."""

    by_name: Mapping[str, Constraint] = field(default_factory=dict[str, Constraint])
    """What a caller may run into."""
    bugs: Mapping[str, str] = field(default_factory=dict[str, str])
    """What only a mistake of ours can violate, each with the reason: the caller is answered 500.

    Primary keys and NOT NULL need no line: ids are made here, keys of other kinds are written ON CONFLICT,
    and models say which fields must be there.
    """

    def error(self, name: str | None, *, table: str | None = None) -> QuartetError | None:
        """The violated constraint may be a partition's, whose keys bear the partition's name."""
        known = self.by_name.get(name or "") or self.by_name.get(name_at_parent(name or "", table or ""))
        return known.error() if known else None


def name_at_parent(name: str, table: str) -> str:
    """Of a partition's constraint; partitions are called by their table and a suffix without underscore."""
    parent = table.rpartition("_")[0]
    return parent + name.removeprefix(table) if parent and name.startswith(table) else name


NO_CONSTRAINTS = Constraints()

COMMON_BUGS: Final = {
    "idempotency_keys_body_check": "longer answers are not kept",
    "idempotency_keys_key_check": "the header's length is looked at before",
    "jobs_claim_check": "state and claim are written by one statement",
    "jobs_claim_until_check": "claim and its end are written by one statement",
    "jobs_finished_check": "state and finished_at are written by one statement",
    "jobs_state_check": "states are an enumeration",
    "jobs_unfinished_key": "jobs are inserted ON CONFLICT DO NOTHING",
    "parked_messages_key_fkey": "a key's row is locked before its messages are parked or dropped",
}
"""Of the tables of every schema."""
