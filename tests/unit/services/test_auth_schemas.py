import pytest
import sqlalchemy as sa
from pydantic import ValidationError

from auth_service.api.schemas import LANGUAGE, RegisterRequest
from auth_service.storage.tables import metadata

FINE = {"email": "ada@example.org", "password": "correct horse battery"}


def faults(**given: object) -> dict[str, str]:
    with pytest.raises(ValidationError) as refused:
        RegisterRequest.model_validate(FINE | given)
    return {str(error["loc"][0]): error["type"] for error in refused.value.errors()}


class TestRegisterRequest:
    def test_names_every_fault_at_once(self):
        assert faults(email="ada@", password="short", timezone="Mars/Olympus") == {
            "email": "email.invalid",
            "password": "string_too_short",
            "timezone": "timezone.unknown",
        }

    @pytest.mark.parametrize("field", ["password", "full_name"])
    @pytest.mark.parametrize("text", ["a\x00b is long enough", "a\ud800b is long enough"])
    def test_refuses_text_that_cannot_be_stored(self, field: str, text: str):
        assert faults(**{field: text})[field] in {"text.unreadable", "string_unicode"}

    @pytest.mark.parametrize(
        "name",
        ["gnp\u202eexe", "a\nb", "a\x1b[31mb", "a\u200bb", "a\u2028b", "\u2066ab", "a\u0085b", "\ue000ab"],
    )
    def test_refuses_a_name_with_what_cannot_be_seen(self, name: str):
        assert faults(full_name=name) == {"full_name": "text.hidden_character"}

    @pytest.mark.parametrize("name", ["   ", "\u200d\u200c"])
    def test_refuses_a_name_in_which_there_is_nothing(self, name: str):
        assert faults(full_name=name) == {"full_name": "text.blank"}

    @pytest.mark.parametrize(
        "name", ["Ada Lovelace", "محمد‌رضا", "👩‍💻 Ada", "<script>alert(1)</script>", "O'Brien"]
    )
    def test_takes_names_as_they_are(self, name: str):
        assert RegisterRequest.model_validate(FINE | {"full_name": name}).full_name == name

    @pytest.mark.parametrize("language", ["en", "gsw", "pt-BR", "zh-Hant", "zh-Hant-TW", "es-419"])
    def test_takes_languages_as_bcp_47_spells_them(self, language: str):
        assert RegisterRequest.model_validate(FINE | {"language": language}).language == language

    @pytest.mark.parametrize(
        "language", ["", "e", "english", "EN", "en-", "en-gb", "en_GB", "en-GB\n", "de-DE-x"]
    )
    def test_takes_no_others(self, language: str):
        assert faults(language=language) == {"language": "string_pattern_mismatch"}

    def test_takes_the_languages_that_the_database_takes(self):
        checks = {
            str(check.name): str(check.sqltext)
            for check in metadata.tables["users"].constraints
            if isinstance(check, sa.CheckConstraint)
        }

        assert checks["users_language_check"] == f"language ~ '{LANGUAGE}'"

    @pytest.mark.parametrize("field", ["role", "is_active", "verified_at", "id"])
    def test_lets_nobody_promote_themselves(self, field: str):
        assert faults(**{field: "true"}) == {field: "extra_forbidden"}

    def test_reads_the_address_in_its_compared_form(self):
        request = RegisterRequest.model_validate(FINE | {"email": "Ada@EXAMPLE.org"})

        assert request.registration().email.compared == "ada@example.org"
