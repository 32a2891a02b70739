from typing import Annotated, Any, Final

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field, StrictBool

from common.erasure import USER_ERASED
from common.errors import Kind
from common.http.body_limits import takes_up_to
from common.http.documented import raises
from common.http.etag import IfVersion, version_headers
from common.http.merge_patch import merge_patch_of, patched
from common.http.permissions import CurrentUser
from common.http.resources import UseClock, UseDatabase
from common.http.unchanged import UseUnchanged
from common.ids import new_id
from common.postgres.engine import Transaction
from profile_service.domain.preferences import DateDisplay, NumberDisplay, TimeDisplay, Units, WeekStart
from profile_service.storage.preferences import Preferences, read_preferences
from profile_service.storage.versions import preferences_name
from profile_service.usecases.change_preferences import change_preferences

router = APIRouter(prefix="/me/preferences", tags=["preferences"])

_MOST_BYTES: Final = 4096


class _Choices(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Display(_Choices):
    date: DateDisplay = Field(default="YYYY-MM-DD", description="How days are written.")
    time: TimeDisplay = Field(default="24h", description="How hours are counted.")
    number: NumberDisplay = Field(default="1,234.5", description="How large and broken numbers are written.")


class Notifications(_Choices):
    reminders: StrictBool = Field(default=True, description="Of what is about to begin.")
    summaries: StrictBool = Field(default=True, description="Of a week, when it has ended.")
    news: StrictBool = Field(default=False, description="Of what is new here.")


class PreferencesDocument(_Choices):
    """Null and what is left out for ever mean the default."""

    units: Units = Field(default="metric", description="How things are measured.")
    week_start: WeekStart = Field(default="monday", description="The first day of a week.")
    display: Display = Field(default_factory=Display, description="How things are written.")
    notifications: Notifications = Field(default_factory=Notifications, description="What is sent.")

    def columns(self) -> dict[str, Any]:
        return {
            "units": self.units,
            "week_start": self.week_start,
            **{f"{name}_display": value for name, value in self.display.model_dump().items()},
            **{f"notify_{name}": value for name, value in self.notifications.model_dump().items()},
        }


@router.get("", summary="What the caller prefers", response_model=PreferencesDocument)
async def get_preferences(
    user: CurrentUser, database: UseDatabase, conditions: IfVersion, unchanged: UseUnchanged
) -> Response:
    """Of a user who has chosen nothing: the defaults, of version 0."""
    looked = await unchanged.since(conditions, preferences_name(user.user_id))
    if looked.answer is not None:
        return looked.answer
    found = await read_preferences(database, user_id=user.user_id)
    looked.learn(found.version)
    return conditions.unchanged(found.version) or _answer(found)


@router.patch("", summary="Change what the caller prefers", response_model=PreferencesDocument)
@takes_up_to(_MOST_BYTES)
@raises(Kind.NOT_FOUND, USER_ERASED)
async def patch_preferences(
    patch: Annotated[dict[str, Any], merge_patch_of(PreferencesDocument)],
    user: CurrentUser,
    database: UseDatabase,
    conditions: IfVersion,
    clock: UseClock,
) -> Response:
    """Their version is their own: a change leaves the profile's as it is."""

    async def change(tx: Transaction) -> Preferences:
        return await change_preferences(
            tx,
            lambda present: patched(_document(present), patch).columns(),
            user_id=user.user_id,
            check_version=conditions.check,
            now=clock(),
            new_id=new_id,
        )

    return _answer(await database.in_transaction(user.user_id, change))


def _document(found: Preferences) -> PreferencesDocument:
    chosen = found.values
    if not chosen:
        return PreferencesDocument()
    return PreferencesDocument(
        units=chosen["units"],
        week_start=chosen["week_start"],
        display=Display(**{name: chosen[f"{name}_display"] for name in Display.model_fields}),
        notifications=Notifications(
            **{name: chosen[f"notify_{name}"] for name in Notifications.model_fields}
        ),
    )


def _answer(found: Preferences) -> Response:
    return Response(
        _document(found).model_dump_json(),
        media_type="application/json",
        headers=version_headers(found.version),
    )
