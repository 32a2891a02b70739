import pytest

from auth_service.domain.email import parse_email


class TestEmailAddress:
    @pytest.mark.parametrize(
        ("typed", "compared"),
        [
            ("Ada@Example.org", "ada@example.org"),
            ("  ada@example.org ", "ada@example.org"),
            ("ada@BÜCHER.example", "ada@xn--bcher-kva.example"),
            ("ada@xn--bcher-kva.example", "ada@xn--bcher-kva.example"),
            ("ＡＤＡ@example.org", "ada@example.org"),
        ],
    )
    def test_two_spellings_of_one_address_compare_equal(self, typed: str, compared: str):
        address = parse_email(typed)

        assert address is not None
        assert address.compared == compared

    def test_is_shown_as_it_was_typed_but_for_the_domain(self):
        address = parse_email("Ada.Lovelace@EXAMPLE.org")

        assert address is not None
        assert address.shown == "Ada.Lovelace@example.org"

    @pytest.mark.parametrize(
        "typed",
        ["", "ada", "ada@", "@example.org", "ada@example", "a da@example.org", "a" * 250 + "@example.org"],
    )
    def test_is_none_where_no_mail_could_be_sent(self, typed: str):
        assert parse_email(typed) is None

    @pytest.mark.parametrize("typed", ["ada@example.org\nbcc: eve@example.org", "ada\x00@example.org"])
    def test_cannot_smuggle_a_header_or_a_nul(self, typed: str):
        assert parse_email(typed) is None
