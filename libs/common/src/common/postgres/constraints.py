"""What a violated constraint means to the caller, by the constraint's name."""

from collections.abc import Mapping
from dataclasses import dataclass, field

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
    by_name: Mapping[str, Constraint] = field(default_factory=dict[str, Constraint])

    def error(self, name: str | None) -> QuartetError | None:
        known = self.by_name.get(name) if name else None
        return known.error() if known else None


NO_CONSTRAINTS = Constraints()
