"""A day of birth in three formats, of which two cannot be told apart by looking."""

import re
from datetime import date
from typing import Final

from profile_service.domain.reading import DateFormat, Reading, RefusedError, Rule

OLDEST_YEARS: Final = 130
_EARLIEST: Final = "1890-01-01"

_ISO = re.compile(r"(?P<year>[0-9]{4})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})")
_SLASHES: Final[dict[DateFormat, re.Pattern[str]]] = {
    "MM/DD/YYYY": re.compile(r"(?P<month>[0-9]{1,2})/(?P<day>[0-9]{1,2})/(?P<year>[0-9]{4})"),
    "DD/MM/YYYY": re.compile(r"(?P<day>[0-9]{1,2})/(?P<month>[0-9]{1,2})/(?P<year>[0-9]{4})"),
}


def _read(text: str, reading: Reading) -> date:
    typed = text.strip()
    found = _readings(typed, reading.date_format)
    if not found:
        raise RefusedError("date.invalid", "This is no day, written YYYY-MM-DD, MM/DD/YYYY or DD/MM/YYYY.")
    if len(found) == 2:
        first, second = (day.isoformat() for day in found)
        raise RefusedError(
            "date.ambiguous",
            f"This is {first} or {second}; write it so, or say ?date_format=MM/DD/YYYY or DD/MM/YYYY.",
            choices=(first, second),
        )
    (day,) = found
    if day > reading.today:
        raise RefusedError("date.future", "This day has not come yet.")
    if _years_before(day, reading.today) > OLDEST_YEARS:
        raise RefusedError("date.too_long_ago", f"This is more than {OLDEST_YEARS} years ago.")
    return day


def _readings(typed: str, date_format: DateFormat | None) -> list[date]:
    """Every day that it could mean, the earlier one first."""
    if iso := _ISO.fullmatch(typed):
        days = [_day(iso)]
    else:
        wanted = _SLASHES if date_format is None else {date_format}
        days = [
            _day(found)
            for name, pattern in _SLASHES.items()
            if name in wanted and (found := pattern.fullmatch(typed))
        ]
    return sorted({day for day in days if day is not None})


def _day(found: re.Match[str]) -> date | None:
    try:
        return date(int(found["year"]), int(found["month"]), int(found["day"]))
    except ValueError:
        return None


def _years_before(day: date, today: date) -> int:
    return today.year - day.year - ((today.month, today.day) < (day.month, day.day))


BIRTH: Final = Rule(
    says=(
        "a day as YYYY-MM-DD, MM/DD/YYYY or DD/MM/YYYY, "
        f"not in the future and at most {OLDEST_YEARS} years ago"
    ),
    read=_read,
    # a condition that today decides would refuse tomorrow what stands there: the older bound is a fixed day
    check=f"{{column}} between '{_EARLIEST}' and (updated_at at time zone 'UTC')::date",
    codes=("date.invalid", "date.ambiguous", "date.future", "date.too_long_ago"),
    most=10,
    of_dates=True,
)
