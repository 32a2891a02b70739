"""Every field of a profile, once: API, CHECKs of the database and docs/profile-fields.md follow from it."""

from dataclasses import dataclass
from typing import Final, Literal

from profile_service.domain.countries import COUNTRY
from profile_service.domain.dates import BIRTH
from profile_service.domain.emails import EMAIL
from profile_service.domain.handles import GITHUB, LINKEDIN, TWITTER
from profile_service.domain.phones import PHONE
from profile_service.domain.reading import Rule, Value
from profile_service.domain.texts import line, paragraphs
from profile_service.domain.urls import URL

Visibility = Literal["self", "service", "public"]
"""Who may read it besides the user: nobody, our other services, or everybody who is signed in."""


@dataclass(frozen=True)
class Field:
    name: str
    description: str
    rule: Rule
    example: str
    visibility: Visibility = "self"
    weight: int = 0
    """What it counts for in completeness; all of them together are 100."""
    group: str | None = None
    """The object that it stands in."""

    @property
    def column(self) -> str:
        return self.name if self.group is None else f"{self.group}_{self.name}"

    @property
    def pointer(self) -> str:
        return f"/{self.name}" if self.group is None else f"/{self.group}/{self.name}"

    @property
    def check(self) -> str:
        return self.rule.check.replace("{column}", self.column)


Values = dict[str, Value | None]
"""By column, every column."""

_CONTACT: Final = "emergency_contact"
_ADDRESS: Final = "address"

FIELDS: Final = (
    Field("first_name", "The given name or names.", line(100), "Ada", "service", weight=15),
    Field("last_name", "The family name or names.", line(100), "Lovelace", "service", weight=15),
    Field("display_name", "What others call the user.", line(200), "Ada Lovelace", "public", weight=15),
    Field("pronouns", "How others speak of the user.", line(40), "she/her", "public"),
    Field(
        "bio", "What the user tells of themselves.", paragraphs(2000), "I like engines.", "public", weight=15
    ),
    Field("date_of_birth", "The day of birth.", BIRTH, "1985-12-10", weight=10),
    Field("work_email", "To write to at work; it signs nobody in.", EMAIL, "ada@example.org", "service"),
    Field("phone_number", "The number to call first.", PHONE, "+442079460018", weight=15),
    Field("alternate_phone", "Another number to call.", PHONE, "+4930901820"),
    Field("work_phone", "The number at work.", PHONE, "+12025550123", "service"),
    Field("website", "A page of the user's own.", URL, "https://example.org/ada", "public"),
    Field("linkedin", "At LinkedIn.", LINKEDIN, "https://www.linkedin.com/in/ada-lovelace", "public"),
    Field("twitter", "At X, Twitter before.", TWITTER, "https://x.com/ada", "public"),
    Field("github", "At GitHub.", GITHUB, "https://github.com/ada", "public"),
    Field("name", "Whom to call.", line(200), "Annabella Byron", weight=10, group=_CONTACT),
    Field("relationship", "What they are to the user.", line(60), "mother", group=_CONTACT),
    Field("phone", "Their number.", PHONE, "+442079460019", group=_CONTACT),
    Field("email", "Their address.", EMAIL, "annabella@example.org", group=_CONTACT),
    Field("line1", "Street and number.", line(200), "12 St James's Square", group=_ADDRESS),
    Field("line2", "Whatever else the postman needs.", line(200), "Second floor", group=_ADDRESS),
    Field("city", "The town.", line(120), "London", group=_ADDRESS),
    Field("region", "State, province or county.", line(120), "Greater London", group=_ADDRESS),
    Field("postal_code", "As the country writes it.", line(20), "SW1Y 4JH", group=_ADDRESS),
    Field("country", "By ISO 3166-1.", COUNTRY, "GB", weight=5, group=_ADDRESS),
)

BY_COLUMN: Final = {field.column: field for field in FIELDS}
GROUPS: Final = {
    _CONTACT: "Whom to call when something happened; it has a name.",
    _ADDRESS: "Where the user lives.",
}
PUBLIC: Final = tuple(field for field in FIELDS if field.visibility == "public")
FOR_SERVICES: Final = tuple(field for field in FIELDS if field.visibility != "self")

CONTACT_CHECK: Final = (
    f"{_CONTACT}_name is not null or "
    f"num_nonnulls({_CONTACT}_relationship, {_CONTACT}_phone, {_CONTACT}_email) = 0"
)
"""The one rule about several fields: nobody can call a contact without a name."""
NOTHING: Final[Values] = dict.fromkeys(BY_COLUMN)
