"""What the API shows and takes, made from the table of fields."""

from typing import Any, Final
from uuid import UUID

from pydantic import BaseModel, Field, create_model

from common.http.timestamps import Timestamp, written
from profile_service.domain.document import READ_ONLY, shown
from profile_service.domain.fields import FIELDS, FOR_SERVICES, GROUPS, PUBLIC
from profile_service.domain.fields import Field as ProfileField
from profile_service.storage.profiles import Profile
from profile_service.storage.public_profiles import PublicProfile

_IN_GROUPS: Final = {name: tuple(one for one in FIELDS if one.group == name) for name in GROUPS}
_ON_TOP: Final = tuple(one for one in FIELDS if one.group is None)


def _told(one: ProfileField) -> str:
    return f"{one.description} It is {one.rule.says}."


def _members(fields: tuple[ProfileField, ...]) -> Any:
    return {one.name: (str | None, Field(description=_told(one), examples=[one.example])) for one in fields}


def _property(one: ProfileField) -> dict[str, Any]:
    return {"type": ["string", "null"], "description": _told(one), "examples": [one.example]}


_GROUP_MODELS: Final = {
    name: create_model(name.title().replace("_", ""), **_members(fields))
    for name, fields in _IN_GROUPS.items()
}


class _Account(BaseModel):
    user_id: UUID = Field(description="The account's id, the same in every service.")


class _Copies(_Account):
    timezone: str | None = Field(
        description="A name of the IANA database; it is changed at auth.", examples=["Europe/London"]
    )
    language: str | None = Field(
        description="A language, with a region where it matters; changed at auth.", examples=["en"]
    )
    version: int = Field(
        description="Grows with every change; the ETag is made of it. 0: nothing is stored yet.",
        examples=[17],
    )


class _Stored(_Copies):
    created_at: Timestamp | None = Field(description="In UTC.")
    updated_at: Timestamp | None = Field(description="Of the last change, in UTC.")


_groups: Any = {
    name: (model | None, Field(description=GROUPS[name])) for name, model in _GROUP_MODELS.items()
}
ProfileAnswer = create_model("ProfileAnswer", __base__=_Stored, **_members(_ON_TOP), **_groups)
PublicAnswer = create_model("PublicProfileAnswer", __base__=_Account, **_members(PUBLIC))
ServiceProfile = create_model("ServiceProfile", __base__=_Copies, **_members(FOR_SERVICES))

DOCUMENT_SCHEMA: Final[dict[str, Any]] = {
    "title": "ProfileDocument",
    "description": "What is left out is removed. What answers show besides may stand here, unchanged.",
    "additionalProperties": False,
    "properties": {
        **{name: {"readOnly": True, "description": "As it was shown."} for name in READ_ONLY},
        **{one.name: _property(one) for one in _ON_TOP},
        **{
            name: {
                "type": ["object", "null"],
                "description": GROUPS[name],
                "additionalProperties": False,
                "properties": {one.name: _property(one) for one in fields},
            }
            for name, fields in _IN_GROUPS.items()
        },
    },
}


_SHOWN_ON_TOP: Final = tuple((one.name, one.column) for one in _ON_TOP)
_SHOWN_IN_GROUPS: Final = tuple(
    (name, tuple((one.name, one.column) for one in fields)) for name, fields in _IN_GROUPS.items()
)


def profile_document(profile: Profile) -> dict[str, Any]:
    """As `ProfileAnswer` says, put together by hand: it is read often, and the database has checked it."""
    values = profile.values
    document: dict[str, Any] = {
        "user_id": str(profile.user_id),
        "timezone": profile.timezone,
        "language": profile.language,
        "version": profile.version,
        "created_at": None if profile.created_at is None else written(profile.created_at),
        "updated_at": None if profile.updated_at is None else written(profile.updated_at),
    }
    for name, column in _SHOWN_ON_TOP:
        document[name] = shown(values[column])
    for name, members in _SHOWN_IN_GROUPS:
        group = {member: shown(values[column]) for member, column in members}
        document[name] = group if any(group.values()) else None
    return document


def public_answer(profile: PublicProfile) -> BaseModel:
    members: Any = {one.name: profile.values[one.column] for one in PUBLIC}
    return PublicAnswer.model_construct(user_id=profile.user_id, **members)
