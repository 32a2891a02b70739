from datetime import date, datetime, timedelta


def week_start(moment: datetime) -> date:
    """The Monday of the week, in UTC: usage is counted by week."""
    day = moment.date()
    return day - timedelta(days=day.weekday())
