import pytest
from pydantic import ValidationError

from auth_service.api.schemas import RegisterRequest

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

    @pytest.mark.parametrize("field", ["role", "is_active", "verified_at", "id"])
    def test_lets_nobody_promote_themselves(self, field: str):
        assert faults(**{field: "true"}) == {field: "extra_forbidden"}

    def test_reads_the_address_in_its_compared_form(self):
        request = RegisterRequest.model_validate(FINE | {"email": "Ada@EXAMPLE.org"})

        assert request.registration().email.compared == "ada@example.org"
