from profile_service.domain.page import page
from tests.support.repository import ROOT


class TestThePageOfFields:
    def test_is_what_the_fields_say(self):
        """`python -m profile_service.domain.page > docs/profile-fields.md`."""
        assert (ROOT / "docs" / "profile-fields.md").read_text() == page()
