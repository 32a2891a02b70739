import gzip
from importlib.resources import files

import pytest

from auth_service.domain.common_passwords import SortedLines, common_passwords
from auth_service.domain.password_strength import REASONS, Weakness, weakness_of

ADA = ("ada.lovelace@analytical-engine.org", "Ada Lovelace")
LIST = gzip.decompress(files("auth_service").joinpath("common_passwords", "list.txt.gz").read_bytes())


def weakness(password: str) -> Weakness | None:
    return weakness_of(password, fewest=12, about=ADA)


class TestAPassword:
    @pytest.mark.parametrize(
        "password",
        [
            "correct horse battery",
            "kX9#mQ2$vL7!",
            "tr0ub4dor&3xyz",
            "我的密码是什么呢你知道吗",
            "Lovelace-x9Kq2vTz",
            "four very small words",
        ],
    )
    def test_that_nobody_guesses_is_taken_whatever_it_is_made_of(self, password: str):
        assert weakness(password) is None

    @pytest.mark.parametrize(
        "password",
        [
            "justinbieber",
            "JustinBieber",
            "ｊｕｓｔｉｎｂｉｅｂｅｒ",
            "password1234",
            "1234567password",
            "P@$$w0rd!!!!",
            "@dministrator1",
            "pass-word-1234",
            "passwordpassword",
            "summer2024summer",
            "Unbelievable!1",
            "mypassword2024!",
            "1qaz2wsx3edc",
        ],
    )
    def test_that_is_common_behind_its_decoration_is_refused(self, password: str):
        assert weakness(password) == Weakness.COMMON

    @pytest.mark.parametrize("password", ["aaaaaaaaaaab", "xkqzwv7xkqzwv7", "zq zq zq zq zq", "x" * 256])
    def test_that_says_one_thing_over_and_over_is_refused(self, password: str):
        assert weakness(password) == Weakness.REPETITIVE

    @pytest.mark.parametrize("password", ["!@#$%^&*()_+", "ghijklmnop98765", "zyxwvut+lkjhgfdsa"])
    def test_that_follows_the_keyboard_or_the_alphabet_is_refused(self, password: str):
        assert weakness(password) == Weakness.PREDICTABLE

    @pytest.mark.parametrize(
        "password",
        [
            "adalovelace1815",
            "LovelaceAda!!1",
            "10v31ac3!ada",
            "analyticalengine",
            "ecalevol.ada99",
            "quartetquartet1",
        ],
    )
    def test_that_is_made_of_the_address_the_name_or_the_product_is_refused(self, password: str):
        assert weakness(password) == Weakness.SIMILAR

    def test_of_somebody_else_s_name_is_not_refused_for_it(self):
        assert weakness_of("adalovelace1815", fewest=12, about=("grace@example.org",)) is None

    def test_is_as_long_as_is_asked_for(self):
        assert weakness_of("kX9#mQ2$vL7!", fewest=15) == Weakness.SHORT

    def test_of_the_greatest_length_is_taken(self):
        worst = "".join(chr(ord("a") + i * 7 % 26) + chr(0x4E00 + i) for i in range(128))

        assert weakness(worst) is None

    def test_is_refused_with_a_sentence_for_each_reason(self):
        assert REASONS.keys() == set(Weakness)


class TestTheList:
    def test_is_sorted_so_that_halving_finds_every_line(self):
        lines = LIST.split(b"\n")[:-1]

        assert lines == sorted(set(lines))
        assert all(line.decode() in common_passwords() for line in lines[::997])

    def test_holds_the_most_used_passwords_that_the_shortest_length_lets_through(self):
        long = [line for line in LIST.decode().split("\n") if len(line) >= 12]

        assert len(long) > 40_000

    def test_has_its_sources_and_their_licences_beside_it(self):
        beside = {path.name for path in files("auth_service").joinpath("common_passwords").iterdir()}

        assert {"README.md", "LICENSES.md"} <= beside

    @pytest.mark.parametrize("text", ["", "a", "bb", "c\n", "\n", "zz", "\udc80"])
    def test_does_not_find_what_is_not_there(self, text: str):
        assert text not in SortedLines(b"b\nbc\nc\n")

    def test_finds_what_is_there(self):
        assert all(text in SortedLines(b"b\nbc\nc\n") for text in ("b", "bc", "c"))
