"""How one value is read: brought into its one spelling first, then checked."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Literal

DateFormat = Literal["YYYY-MM-DD", "MM/DD/YYYY", "DD/MM/YYYY"]
Value = str | date


@dataclass(frozen=True)
class Reading:
    """What a value's meaning hangs on besides itself."""

    today: date
    date_format: DateFormat | None = None
    """How the writer writes dates; without it a date that could mean two days is refused."""
    region: str | None = None
    """Where a phone number without a country's code is dialled."""


class RefusedError(ValueError):
    def __init__(self, code: str, detail: str, *, choices: tuple[str, ...] = ()) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.choices = choices
        """What could have been meant."""


@dataclass(frozen=True)
class Rule:
    """One kind of value. The API reads by `read`, the database holds by `check`, people read `says`."""

    says: str
    read: Callable[[str, Reading], Value]
    check: str
    """A condition in SQL with `{column}`: it takes whatever `read` gives back, in that spelling."""
    codes: tuple[str, ...]
    most: int
    """Characters of what is stored."""
    of_dates: bool = False
