"""Which columns hold sealed values: named once in the service's schema, so that a rotation finds them all."""

from dataclasses import dataclass
from typing import Literal

Place = tuple[str, str, str]
"""Table, row and column: what is sealed for one place does not open in another."""


@dataclass(frozen=True)
class SealedColumn:
    table: str
    column: str
    row: str
    """The unique column by which a row is known; it never changes, or its value would not open any more."""
    row_type: Literal["uuid", "text", "bigint"] = "uuid"

    def place(self, row: object) -> Place:
        return (self.table, str(row), self.column)

    def __str__(self) -> str:
        return f"{self.table}.{self.column}"
