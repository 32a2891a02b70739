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
        [
            *(
                "",
                "ada",
                "ada@",
                "@example.org",
                "ada@example",
                "a da@example.org",
                "ada@" + "a" * 64 + ".org",
            ),
            *("a" * 250 + "@example.org", "a" * 65 + "@example.org", "ada@127.0.0.1"),
        ],
    )
    def test_is_none_where_no_mail_could_be_sent(self, typed: str):
        assert parse_email(typed) is None

    @pytest.mark.parametrize("typed", ["ada@example.org\nbcc: eve@example.org", "ada\x00@example.org"])
    def test_cannot_smuggle_a_header_or_a_nul(self, typed: str):
        assert parse_email(typed) is None


class TestTwoAddressesThatLookAlike:
    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("cafe\u0301@example.org", "caf\u00e9@example.org"),
            ("\u212aate@example.org", "kate@example.org"),
            ("\ufb01nn@example.org", "finn@example.org"),
            ("ada@b\u00fccher.example", "ada@bu\u0308cher.example"),
            ("ada@\uff45xample.org", "ada@example.org"),
            ("stra\u00dfe@example.org", "STRASSE@example.org"),
        ],
    )
    def test_are_one_account_where_they_are_one_text(self, one: str, other: str):
        parsed = parse_email(one), parse_email(other)

        assert None not in parsed
        assert len({address.compared for address in parsed if address is not None}) == 1

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("l\u0131nda@example.org", "linda@example.org"),
            ("\u0430da@example.org", "ada@example.org"),
            ("ada@fa\u00df.example", "ada@fass.example"),
            ("ada@\u0435xample.org", "ada@example.org"),
        ],
    )
    def test_are_two_accounts_where_a_mail_would_go_elsewhere(self, one: str, other: str):
        parsed = {text: parse_email(text) for text in (one, other)}

        assert len({address and address.compared for address in parsed.values()}) == 2

    @pytest.mark.parametrize(
        "typed",
        [
            "ada\uff20example.org",
            "ada@example.org\uff20evil.example",
            "ada@exam\u2024ple\u3002org@evil.example",
            "ada@example\u2028.org",
            "ada\u200b@example.org",
            "\u202eada@example.org",
            "ada@example.org\r\nBcc: eve@example.org",
            "ada@example.org%0d%0aBcc:eve@example.org",
            "Ada <ada@example.org>",
            "ada@example.org, eve@example.org",
            '"ada lovelace"@example.org',
            "ada\u00b4@example.org",
            *("\ufdfa@example.org", "ada\u2026@example.org", "\u2474ada@example.org"),
            "ada@[127.0.0.1]",
        ],
    )
    def test_cannot_smuggle_a_second_address_a_space_or_a_header(self, typed: str):
        assert parse_email(typed) is None

    @pytest.mark.parametrize(
        "typed",
        ["\u0130nci@example.org", "\u13f8@example.org", "\u1e9e@b\u00fccher.example", "\u03c2@example.org"],
    )
    def test_compare_in_a_form_that_is_its_own(self, typed: str):
        address = parse_email(typed)

        assert address is not None
        again = parse_email(address.compared)
        assert again is not None
        assert again.compared == address.compared == address.compared.lower()
