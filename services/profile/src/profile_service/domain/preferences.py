"""What a user chose about how things are shown and sent to them; each choice is an enumeration."""

from typing import Final, Literal, get_args

Units = Literal["metric", "imperial"]
WeekStart = Literal["monday", "saturday", "sunday"]
DateDisplay = Literal["YYYY-MM-DD", "DD/MM/YYYY", "MM/DD/YYYY"]
TimeDisplay = Literal["24h", "12h"]
NumberDisplay = Literal["1,234.5", "1.234,5", "1 234,5"]

CHOICES: Final = {
    "units": Units,
    "week_start": WeekStart,
    "date_display": DateDisplay,
    "time_display": TimeDisplay,
    "number_display": NumberDisplay,
}
SWITCHES: Final = ("notify_reminders", "notify_summaries", "notify_news")


def check(column: str) -> str:
    quoted = ", ".join(f"'{choice}'" for choice in get_args(CHOICES[column]))
    return f"{column} in ({quoted})"
