"""Months as ranges of UUIDv7, which begins with the milliseconds since 1970."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self
from uuid import UUID

_MILLISECONDS_SHIFT = 80


@dataclass(frozen=True, order=True)
class Month:
    year: int
    number: int

    @classmethod
    def of(cls, moment: datetime) -> Self:
        moment = moment.astimezone(UTC)
        return cls(moment.year, moment.month)

    @classmethod
    def of_suffix(cls, suffix: str) -> Self | None:
        """Of a partition's name; None for one that is not ours."""
        year, separator, number = suffix.removeprefix("y").partition("m")
        if not (suffix.startswith("y") and separator and year.isdecimal() and number.isdecimal()):
            return None
        return cls(int(year), int(number)) if 1 <= int(number) <= 12 else None

    @property
    def suffix(self) -> str:
        return f"y{self.year:04}m{self.number:02}"

    @property
    def next(self) -> "Month":
        return Month(self.year + self.number // 12, self.number % 12 + 1)

    @property
    def begins_at(self) -> datetime:
        return datetime(self.year, self.number, 1, tzinfo=UTC)

    @property
    def ends_at(self) -> datetime:
        return self.next.begins_at

    @property
    def first_id(self) -> UUID:
        """No id of this month is smaller, none of the month before is as great."""
        return UUID(int=int(self.begins_at.timestamp()) * 1000 << _MILLISECONDS_SHIFT)
