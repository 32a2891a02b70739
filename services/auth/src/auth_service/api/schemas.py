import zoneinfo
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from auth_service.domain.email import EmailAddress, parse_email
from auth_service.domain.passwords import FEWEST_CHARACTERS, MOST_CHARACTERS
from auth_service.usecases.register import Registration

TIMEZONES = frozenset(zoneinfo.available_timezones())


def _address(text: str) -> str:
    if parse_email(text) is None:
        raise PydanticCustomError(
            "email.invalid", "This is not an e-mail address that mail could be sent to."
        )
    return text


def _timezone(text: str) -> str:
    if text not in TIMEZONES:
        raise PydanticCustomError(
            "timezone.unknown", "This is not a time zone of the IANA database, such as Europe/Berlin."
        )
    return text


def _written(text: str) -> str:
    """PostgreSQL stores no NUL, and a lone surrogate is no text."""
    if "\x00" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise PydanticCustomError("text.unreadable", "The text holds a character that cannot be stored.")
    return text


_storable = AfterValidator(_written)
Email = Annotated[
    str, Field(max_length=320, examples=["ada@example.org"]), _storable, AfterValidator(_address)
]
Password = Annotated[
    str,
    Field(min_length=FEWEST_CHARACTERS, max_length=MOST_CHARACTERS, examples=["correct horse battery"]),
    _storable,
]


class RegisterRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    email: Email
    password: Password
    full_name: (
        Annotated[str, Field(min_length=1, max_length=200, examples=["Ada Lovelace"]), _storable] | None
    ) = None
    timezone: Annotated[str, Field(examples=["Europe/London"]), AfterValidator(_timezone)] | None = None
    language: Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Z]{2})?$", examples=["en"])] | None = None

    def registration(self) -> Registration:
        return Registration(
            email=address(self.email),
            password=self.password,
            full_name=self.full_name,
            timezone=self.timezone,
            language=self.language,
        )


class RegisterAnswer(BaseModel):
    status: Literal["check_your_mail"] = "check_your_mail"


class LoginRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    email: Email
    password: Annotated[str, Field(min_length=1, max_length=MOST_CHARACTERS), _storable]
    device_label: Annotated[str, Field(max_length=100), _storable] | None = None


class LoginAnswer(BaseModel):
    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105  the scheme's name, no secret
    expires_in: int


def address(text: str) -> EmailAddress:
    parsed = parse_email(text)
    if parsed is None:
        raise ValueError("an address that was checked before cannot be read now")
    return parsed
