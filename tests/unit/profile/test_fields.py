from datetime import date

import pytest

from profile_service.domain.completeness import completeness
from profile_service.domain.fields import BY_COLUMN, FIELDS, NOTHING
from profile_service.domain.reading import Reading, RefusedError

TODAY = date(2026, 11, 22)
each_field = pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.column)


def read(column: str, text: str, **hints):
    return BY_COLUMN[column].rule.read(text, Reading(TODAY, **hints))


def refused(column: str, text: str, **hints) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        read(column, text, **hints)
    assert caught.value.code in BY_COLUMN[column].rule.codes
    return caught.value


class TestAField:
    @each_field
    def test_reads_its_example_as_it_stands(self, field):
        assert str(field.rule.read(field.example, Reading(TODAY))) == field.example

    @each_field
    def test_takes_no_more_than_it_says(self, field):
        assert refused(field.column, "x" * 5000)

    def test_has_a_column_of_its_own(self):
        assert len(BY_COLUMN) == len(FIELDS)


class TestALine:
    @pytest.mark.parametrize(
        ("typed", "stored"),
        [
            ("  Ada ", "Ada"),
            ("Ada \u00a0\t Byron", "Ada Byron"),
            ("Jose\u0301", "José"),
            ("می\u200cخواهم", "می\u200cخواهم"),
            ("👩\u200d🚀", "👩\u200d🚀"),
            ("Ａda", "Ａda"),
        ],
    )
    def test_has_one_spelling(self, typed, stored):
        assert read("first_name", typed) == stored

    @pytest.mark.parametrize(
        "typed",
        [
            "Ada\u202egnp.exe",
            "A\u200bda",
            "A\u200dda",
            "A\u00adda",
            "Ada\x07",
            "\u3164",
            "Ada\ufeff",
            "\U000e0041Ada",
            "e" + "\u0301" * 10,
            "\ue000",
            "\u0378",
        ],
    )
    def test_holds_nothing_that_cannot_be_seen(self, typed):
        assert refused("first_name", typed).code == "text.hidden_character"

    @pytest.mark.parametrize("typed", ["", "  ", "\u00a0", "\n", "\u0301"])
    def test_is_refused_when_there_is_nothing_to_see(self, typed):
        assert refused("first_name", typed).code == "text.blank"

    def test_is_measured_in_characters_after_it_was_normalised(self):
        assert len(str(read("first_name", "e\u0301" * 100))) == 100
        assert refused("first_name", "e\u0301" * 101).code == "text.too_long"


class TestABio:
    def test_keeps_its_lines(self):
        assert read("bio", " one\r\n\r\ntwo\u00a0 \n") == "one\n\ntwo"


class TestAPhoneNumber:
    @pytest.mark.parametrize(
        "typed",
        [
            "+44 20 7946 0018",
            "+44 (0)20-7946-0018",
            "＋44 20 7946 0018",
            "+44.20.7946.0018",
            "+44 20 7946 –0018",
        ],
    )
    def test_is_kept_as_e164(self, typed):
        assert read("phone_number", typed) == "+442079460018"

    def test_of_a_country_needs_its_region(self):
        assert refused("phone_number", "020 7946 0018").code == "phone.region_required"
        assert refused("phone_number", "020 7946 0018", region="ZZ").code == "phone.region_required"
        assert read("phone_number", "020 7946 0018", region="GB") == "+442079460018"

    @pytest.mark.parametrize(
        "typed", ["+1", "call +442079460018", "12", "+44 20 7946 00180000", "+" * 60, "1" * 900]
    )
    def test_that_nobody_could_call_is_refused(self, typed):
        assert refused("phone_number", typed, region="GB").code == "phone.invalid"

    @pytest.mark.parametrize(
        "typed", ["+44 20 7946 0018 ext. 5", "+44 20 7946 0018 #5", "+49 30 901820/21", "+49 30 901820 / -1"]
    )
    def test_loses_no_extension_and_gains_no_digit_without_a_word(self, typed):
        assert refused("phone_number", typed).code == "phone.extension"

    @pytest.mark.parametrize("typed", ["+49 30 901820¹", "+49 30 90182①", "+49 30 90182₀"])
    def test_takes_no_note_for_a_digit(self, typed):
        assert refused("phone_number", typed).code == "phone.invalid"

    def test_has_a_slash_behind_the_town(self):
        assert read("phone_number", "030/901820", region="DE") == "+4930901820"


class TestADateOfBirth:
    @pytest.mark.parametrize("typed", ["1990-04-13", "13/04/1990", "04/13/1990", "4/13/1990"])
    def test_that_can_mean_one_day_is_that_day(self, typed):
        assert read("date_of_birth", typed) == date(1990, 4, 13)

    def test_that_could_mean_two_days_is_refused_with_both(self):
        told = refused("date_of_birth", "03/04/1990")

        assert (told.code, told.choices) == ("date.ambiguous", ("1990-03-04", "1990-04-03"))
        assert all(choice in told.detail for choice in told.choices)

    def test_is_read_as_its_format_says(self):
        assert read("date_of_birth", "03/04/1990", date_format="DD/MM/YYYY") == date(1990, 4, 3)
        assert read("date_of_birth", "03/04/1990", date_format="MM/DD/YYYY") == date(1990, 3, 4)
        assert refused("date_of_birth", "13/04/1990", date_format="MM/DD/YYYY").code == "date.invalid"
        assert refused("date_of_birth", "03/04/1990", date_format="YYYY-MM-DD").code == "date.invalid"

    def test_is_one_day_when_both_readings_are(self):
        assert read("date_of_birth", "03/03/1990") == date(1990, 3, 3)

    def test_of_most_pairs_of_numbers_below_thirteen_is_ambiguous(self):
        codes = [
            refused("date_of_birth", f"{one:02}/{other:02}/1990").code
            for one in range(1, 13)
            for other in range(1, 13)
            if one != other
        ]

        assert set(codes) == {"date.ambiguous"}
        assert len(codes) == 132

    @pytest.mark.parametrize(
        "typed", ["1990-02-30", "1990-2-3", "31/31/1990", "0000-01-01", "٠٣/04/1990", "3.4.90"]
    )
    def test_that_is_no_day_is_refused(self, typed):
        assert refused("date_of_birth", typed).code == "date.invalid"

    def test_lies_between_130_years_ago_and_today(self):
        assert read("date_of_birth", "2026-11-22") == TODAY
        assert refused("date_of_birth", "2026-11-23").code == "date.future"
        assert read("date_of_birth", "1895-11-23") == date(1895, 11, 23)
        assert refused("date_of_birth", "1895-11-22").code == "date.too_long_ago"


class TestAWebsite:
    @pytest.mark.parametrize(
        ("typed", "stored"),
        [
            ("example.org", "https://example.org/"),
            ("HTTPS://Example.ORG:443/a/../b", "https://example.org/b"),
            ("https://bücher.example/ü?q={'}", "https://xn--bcher-kva.example/%C3%BC?q=%7B%27%7D"),
            ("https://example.org:8443/x#y", "https://example.org:8443/x#y"),
        ],
    )
    def test_is_kept_in_canonical_form(self, typed, stored):
        assert read("website", typed) == stored

    @pytest.mark.parametrize(
        ("typed", "code"),
        [
            ("http://example.org", "url.not_https"),
            ("javascript:alert(1)", "url.not_https"),
            ("https://ada:secret@example.org", "url.userinfo"),
            ("https://@example.org", "url.userinfo"),
            ("https://10.0.0.1/", "url.invalid"),
            ("https://0x7f.1/", "url.invalid"),
            ("https://[::1]/", "url.invalid"),
            ("https://localhost/", "url.invalid"),
            ("https://example.org\\@evil.example", "url.invalid"),
            ("https://exam\u00adple.org", "url.invalid"),
            ("https://example.org/a b", "url.invalid"),
        ],
    )
    def test_that_hides_where_it_leads_is_refused(self, typed, code):
        assert refused("website", typed).code == code


class TestAHandle:
    @pytest.mark.parametrize(
        ("column", "typed", "stored"),
        [
            ("github", "Ada", "https://github.com/ada"),
            ("github", "github.com/ada/?tab=stars", "https://github.com/ada"),
            ("twitter", "@Ada_L", "https://x.com/ada_l"),
            ("twitter", "https://mobile.twitter.com/ada", "https://x.com/ada"),
            ("linkedin", "ada-l", "https://www.linkedin.com/in/ada-l"),
            ("linkedin", "company/acme", "https://www.linkedin.com/company/acme"),
            ("linkedin", "IN/Ada-L", "https://www.linkedin.com/in/ada-l"),
            (
                "linkedin",
                "https://de.linkedin.com/in/jürgen-müller/",
                "https://www.linkedin.com/in/j%C3%BCrgen-m%C3%BCller",
            ),
        ],
    )
    def test_or_its_url_is_kept_as_the_url(self, column, typed, stored):
        assert read(column, typed) == stored
        assert read(column, stored) == stored

    @pytest.mark.parametrize(
        ("column", "typed"),
        [
            ("github", "https://github.com/ada/repository"),
            ("github", "https://github.com.evil.example/ada"),
            ("github", "-ada"),
            ("twitter", "x.com/home"),
            ("twitter", "sixteen_letters_"),
            ("linkedin", "https://www.linkedin.com/feed/ada"),
            ("linkedin", "https://www.linkedin.com/in/%ff%ff%ff"),
        ],
    )
    def test_of_nobody_is_refused(self, column, typed):
        assert refused(column, typed).code == f"{column}.invalid"


class TestACountry:
    @pytest.mark.parametrize("typed", ["GB", "gb", " gb\n"])
    def test_is_two_letters_in_either_case(self, typed):
        assert read("address_country", typed) == "GB"

    @pytest.mark.parametrize("typed", ["", "XX", "GBR", "ß", "\ufb01", "u\u017f", "\u0131t", "ＧＢ"])
    def test_is_not_guessed_from_other_letters(self, typed):
        assert refused("address_country", typed).code == "country.unknown"


class TestAnEmailAddress:
    @pytest.mark.parametrize(
        ("typed", "stored"),
        [
            (" Ada@Example.org ", "Ada@example.org"),
            ("ada@BÜCHER.example", "ada@xn--bcher-kva.example"),
            ("jürgen@example.org", "jürgen@example.org"),
        ],
    )
    def test_keeps_who_and_names_where_as_the_network_does(self, typed, stored):
        assert read("work_email", typed) == stored

    @pytest.mark.parametrize(
        "typed",
        [
            *("", "ada", "ada@example", "a\u202eda@example.org", "ada@example.org\nbcc: eve@example.org"),
            f"{'a' * 65}@example.org",
        ],
    )
    def test_that_nobody_could_write_to_is_refused(self, typed):
        assert refused("work_email", typed).code == "email.invalid"


class TestCompleteness:
    def test_of_nothing_is_0_and_names_all_that_counts(self):
        found = completeness(NOTHING)

        assert found.score == 0
        assert set(found.missing) == {field.pointer for field in FIELDS if field.weight}

    def test_of_all_that_counts_is_100(self):
        assert completeness({**NOTHING, **{f.column: f.example for f in FIELDS if f.weight}}).score == 100

    def test_grows_by_a_field_s_weight(self):
        assert completeness({**NOTHING, "bio": "x"}).score == BY_COLUMN["bio"].weight
