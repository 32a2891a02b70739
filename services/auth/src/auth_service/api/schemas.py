import string
import unicodedata
import zoneinfo
from collections.abc import Iterable
from typing import Annotated, Literal
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    ValidationInfo,
    field_validator,
)
from pydantic_core import PydanticCustomError

from auth_service.domain.email import EmailAddress, parse_email
from auth_service.domain.password_strength import REASONS, weakness_of
from auth_service.domain.passwords import FEWEST_CHARACTERS, MOST_CHARACTERS
from auth_service.usecases.register import Registration

TIMEZONES = frozenset(zoneinfo.available_timezones())
LANGUAGE = r"^[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?$"
"""Of BCP 47 a language, a script and a region, spelt as they are registered: `en`, `zh-Hant-TW`, `es-419`."""

_HIDDEN = frozenset({"Cc", "Cf", "Co", "Zl", "Zp"})
_JOINERS = "\u200c\u200d"
"""Persian and emoji are written with them."""


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


def _seen(text: str) -> str:
    """Names in lists: what turns the line around, breaks it or takes no room makes one pass for another."""
    if any(unicodedata.category(one) in _HIDDEN and one not in _JOINERS for one in text):
        raise PydanticCustomError(
            "text.hidden_character", "The text holds a character that cannot be seen, or a line's end."
        )
    if not text.strip(f"{string.whitespace}{_JOINERS}"):
        raise PydanticCustomError("text.blank", "There is nothing in this text; null removes it.")
    return text


def _strong(password: str, about: Iterable[str] = ()) -> str:
    weakness = weakness_of(password, fewest=FEWEST_CHARACTERS, about=about)
    if weakness is not None:
        raise PydanticCustomError(weakness.value, "{reason}", {"reason": REASONS[weakness]})
    return password


_storable = AfterValidator(_written)
_visible = AfterValidator(_seen)
Email = Annotated[
    str,
    Field(
        max_length=320,
        examples=["ada@example.org"],
        description="Upper and lower case are the same address.",
    ),
    _storable,
    AfterValidator(_address),
]
Password = Annotated[
    str,
    Field(min_length=FEWEST_CHARACTERS, max_length=MOST_CHARACTERS, examples=["correct horse battery"]),
    _storable,
]

NewPassword = Annotated[
    Password,
    AfterValidator(_strong),
    Field(description="The password from now on. Any characters, but nothing that guessers try first."),
]
OldPassword = Annotated[
    str,
    Field(
        min_length=1,
        max_length=MOST_CHARACTERS,
        description="As it was chosen.",
        examples=["correct horse battery"],
    ),
    _storable,
]
LinkToken = Annotated[
    str,
    Field(
        min_length=1,
        max_length=512,
        description="What the link in the mail carries as `token`; it can be used once.",
        examples=["ql1_AZoEUNMmcQ"],
    ),
]
FullName = Annotated[str, Field(min_length=2, max_length=200, examples=["Ada Lovelace"]), _storable, _visible]
TimeZone = Annotated[str, Field(examples=["Europe/London"]), AfterValidator(_timezone)]
Language = Annotated[str, Field(pattern=LANGUAGE, examples=["en"])]
DeviceLabel = Annotated[
    str, Field(min_length=1, max_length=100, examples=["Kitchen tablet"]), _storable, _visible
]


class RegisterRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    email: Email
    full_name: FullName | None = Field(default=None, description="What others call the user.")
    password: Password = Field(description="Any characters, but nothing that guessers try first.")
    timezone: TimeZone = Field(default="UTC", description="A name of the IANA database.")
    language: Language = Field(
        default="en", description="A language, and a region where it matters: `en`, `pt-BR`."
    )

    @field_validator("password")
    @classmethod
    def _says_more_than_its_owner(cls, password: str, info: ValidationInfo) -> str:
        """The fields before it, as far as they can be read: every fault is told at once."""
        return _strong(password, [info.data[name] for name in ("email", "full_name") if info.data.get(name)])

    def registration(self) -> Registration:
        return Registration(
            email=address(self.email),
            password=self.password,
            full_name=self.full_name,
            timezone=self.timezone,
            language=self.language,
        )


class MailAnswer(BaseModel):
    status: Literal["check_your_mail"] = Field(
        default="check_your_mail", description="The same whether or not the address has an account."
    )


class EmailRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    email: Email


class LinkRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    token: LinkToken


class LoginRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    email: Email
    password: OldPassword
    device_label: DeviceLabel | None = Field(
        default=None, description="What the user calls this device; the list of sessions shows it."
    )
    cookie: StrictBool = Field(
        default=False,
        description="For browsers: the refresh token comes in a cookie, out of reach of scripts.",
    )


class RefreshRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    refresh_token: Annotated[str, Field(min_length=1, max_length=512)] = Field(
        description="The newest one of the session; the one before it gets the same answer once more.",
        examples=["qrt1_AZoEUNMmcQ"],
    )


class TokenAnswer(BaseModel):
    access_token: str = Field(
        description="A JWT for `Authorization: Bearer`; its signature is ES256.",
        examples=["eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.eyJzdWIiOiIwMWExIn0.c2ln"],
    )
    token_type: Literal["Bearer"] = Field(default="Bearer", description="How the token is sent.")
    expires_in: int = Field(description="Seconds until the access token ends.", examples=[600])
    refresh_token: str | None = Field(
        description="For `/token/refresh`; it is replaced with every use. Null when it is in the cookie.",
        examples=["qrt1_AZoEUNMmcQ"],
    )
    csrf_token: str | None = Field(
        default=None, description="With a cookie: what `X-CSRF-Token` must say when the cookie is used."
    )
    session_id: UUID = Field(description="The session that both tokens belong to.")


def address(text: str) -> EmailAddress:
    parsed = parse_email(text)
    if parsed is None:
        raise ValueError("an address that was checked before cannot be read now")
    return parsed
