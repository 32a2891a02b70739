"""What people, programs and attackers put into the fields of a profile."""

from datetime import date, timedelta

from hypothesis import strategies as st

from profile_service.domain.countries import COUNTRIES
from profile_service.domain.fields import Field

_LETTERS = "aZ9éßİıǅÅ中文字한글אבגשעربیہאहिन्दीไทย"
_SPACES = " \u00a0\u2003\u3000\t\n\r"
_HIDDEN = (
    "\u0000\u0001\u001b\u007f\u0085\u00ad\u034f\u061c\u115f\u180e\u200b\u200c\u200d\u200e\u202e\u2028"
    "\u2066\u2800\u3164\ufeff\ufffe\ue000\U000e0041"
)
_MARKS = "\u0301\u0323\u0300\u05b0\u0e31\ufe0f"
_LOOK_ALIKES = "аеορсӏＡ１．／：＠\u2024\u2044\u2215"
_EMOJI = "👩🚀🏽❤"

anything = st.one_of(
    st.text(max_size=40),
    st.text(st.sampled_from(_LETTERS + _SPACES + _HIDDEN + _MARKS + _LOOK_ALIKES + _EMOJI), max_size=24),
    st.sampled_from(
        ["x" * 201, "é" * 101, "e\u0301" * 100, "\u0301" * 3000, " " * 9000, "A" * 10_000, "", " "]
    ),
)
"""For every field: Unicode, what cannot be seen, what looks alike, what is long or empty."""

_numbers = st.from_regex(r"\+?[0-9 ()./-]{1,24}", fullmatch=True)
_days = st.dates(date(1880, 1, 1), date(2030, 1, 1))
_hosts = st.from_regex(r"[a-zäß0-9-]{1,12}(\.[a-zé0-9-]{1,12}){0,3}", fullmatch=True)
_paths = st.text(st.sampled_from("aä/.%~?#&='\"<>{}|^`[]@:;+20\\ "), max_size=20)
_handles = st.from_regex(r"@?[A-Za-zü0-9_-]{1,42}", fullmatch=True)


def _at(*sites: str):
    return st.builds(
        "{}{}{}".format, st.sampled_from(("", "https://", "HTTPS://www.")), st.sampled_from(sites), _handles
    )


_OWN = {
    "date_of_birth": st.one_of(
        _days.map(date.isoformat),
        _days.map(lambda day: f"{day:%m/%d/%Y}"),
        _days.map(lambda day: f"{day.day}/{day.month}/{day.year}"),
        st.integers(-2, 2).map(lambda days: (date(2026, 11, 22) + timedelta(days)).isoformat()),
    ),
    "website": st.builds(
        "{}{}/{}".format, st.sampled_from(("", "https://", "http://", "https://a@")), _hosts, _paths
    ),
    "linkedin": _at("", "linkedin.com/in/", "de.linkedin.com/company/"),
    "github": _at("", "github.com/"),
    "twitter": _at("", "x.com/", "twitter.com/"),
    "address_country": st.sampled_from((*sorted(COUNTRIES), "gb", " de ", "XX", "ß", "\ufb01", "\u0131t")),
}
_EMAILS = st.builds("{}@{}".format, st.from_regex(r"[A-Za-zé0-9._+'-]{1,20}", fullmatch=True), _hosts)


def likely(field: Field):
    """Near to what the field is for: some of it right, some of it wrong by a little."""
    if field.column in _OWN:
        return _OWN[field.column]
    if "phone" in field.column:
        return st.one_of(
            _numbers,
            st.sampled_from(("+49", "+1 202 555 0", "+44 20 7946 0")).flatmap(
                lambda start: _numbers.map(lambda rest: start + rest.replace("+", ""))
            ),
        )
    if "email" in field.column:
        return _EMAILS
    return st.text(st.sampled_from(_LETTERS + _SPACES + "'-.,&" + _EMOJI), max_size=30)


def values_for(field: Field):
    return st.one_of(likely(field), anything, st.just(field.example))
