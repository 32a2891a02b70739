import re
from collections.abc import Iterator

import pytest
from pydantic import BaseModel
from pydantic_settings import BaseSettings

from auth_service.settings import AuthApiSettings, AuthWorkerSettings
from common.settings import ApiSettings, MigrationSettings, WorkerSettings
from profile_service.settings import ProfileApiSettings, ProfileWorkerSettings
from tests.support.repository import ROOT


def variables(settings: type[BaseSettings]) -> Iterator[str]:
    for name, field in settings.model_fields.items():
        group = field.annotation
        if isinstance(group, type) and issubclass(group, BaseModel):
            yield from (f"{name}_{setting}".upper() for setting in group.model_fields)
        else:
            yield name.upper()


CLASSES = (
    *(ApiSettings, AuthApiSettings, ProfileApiSettings),
    *(WorkerSettings, AuthWorkerSettings, ProfileWorkerSettings),
    MigrationSettings,
)
PAGE = (ROOT / "docs" / "settings.md").read_text()


class TestSettingsPage:
    @pytest.mark.parametrize("settings", CLASSES)
    def test_names_every_variable_of_a_process(self, settings: type[BaseSettings]):
        missing = [name for name in variables(settings) if f"`{name}`" not in PAGE]

        assert missing == []

    def test_names_none_that_nothing_reads(self):
        known = {name for settings in CLASSES for name in variables(settings)} | {"QUARTET_PORT_BASE"}
        named = set(re.findall(r"`([A-Z]+_[A-Z_]+)`", PAGE))

        assert named - known == set()
