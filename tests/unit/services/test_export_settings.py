import pytest
from pydantic import ValidationError

from auth_service.settings import ExportSettings

ALL = {name: f"https://{name}.internal:8443" for name in ("auth", "profile", "calendar", "chat")}


class TestExportSettings:
    def test_say_of_each_service_where_it_is_or_that_it_is_not(self):
        assert ExportSettings(services={**ALL, "chat": None}).services["chat"] is None

    @pytest.mark.parametrize(
        ("told", "says"),
        [
            ({name: ALL[name] for name in ("auth", "profile", "calendar")}, "EXPORTS_SERVICES"),
            ({**ALL, "billing": "https://billing.internal"}, "EXPORTS_SERVICES"),
            ({**ALL, "chat": "http://chat.internal"}, "chat"),
            ({**ALL, "chat": "https://chat.internal/internal/v1"}, "chat"),
        ],
    )
    def test_name_no_fewer_no_others_and_none_in_the_open(self, told, says: str):
        with pytest.raises(ValidationError, match=says):
            ExportSettings(services=told)
