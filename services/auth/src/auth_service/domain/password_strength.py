"""What a guesser tries first, told from the password alone; there are no rules of composition."""

import re
import unicodedata
from collections.abc import Iterable
from enum import StrEnum
from itertools import pairwise

from auth_service.domain.common_passwords import common_passwords

_PRODUCT = "quartet"
_FEWEST_LETTERS_OF_A_WORD = 4
"""Of an address or a name; a shorter one stands in half of all sentences."""
_FEWEST_OF_ONES_OWN = 6
"""Characters that are left when words about the user, or all runs but their beginnings, are taken away."""
_FEWEST_DIFFERENT = 5
_RUN = 3
_ROWS = (
    *("`1234567890-=", "qwertyuiop[]", "asdfghjkl;'", "zxcvbnm,./"),
    *("qwertzuiop", "yxcvbnm", "azertyuiop", "qsdfghjklm", "wxcvbn", "1234567890ß"),
    *("!@#$%^&*()_+", '!"§$%&/()=?'),
    *("1qaz", "2wsx", "3edc", "4rfv", "5tgb", "6yhn", "7ujm", "8ik", "9ol", "0p"),
)
_STEPS = frozenset(pair for row in _ROWS for pair in (*pairwise(row), *pairwise(row[::-1])))
_LEET = ("0134578@$!+|€", "oieastbasitle")
_SPOKEN = (str.maketrans(*_LEET), str.maketrans("01" + _LEET[0][2:], "ol" + _LEET[1][2:]))
"""Twice, as a 1 is read as an i and as an l."""
_AROUND = "0123456789 _-.,;:!?#*+@$%&/()=~^'\"<>|"
_WORDS = re.compile(r"[^\W_]+")
_LETTERS = re.compile(r"[^\W\d_]+")


class Weakness(StrEnum):
    """Each is a code that a client can show a sentence of its own for."""

    SHORT = "password.too_short"
    COMMON = "password.too_common"
    REPETITIVE = "password.too_repetitive"
    PREDICTABLE = "password.too_predictable"
    SIMILAR = "password.too_similar"


REASONS = {
    Weakness.SHORT: "The password is shorter than it may be here.",
    Weakness.COMMON: "This is a word or a password that is guessed first, perhaps with some signs around it.",
    Weakness.REPETITIVE: "The password says the same thing over and over.",
    Weakness.PREDICTABLE: "The password follows the keyboard, the alphabet or the digits.",
    Weakness.SIMILAR: "The password is little more than the address, the name or the name of this product.",
}


def weakness_of(password: str, *, fewest: int, about: Iterable[str] = ()) -> Weakness | None:
    """`about`: the user's address and name, as far as they are known. Takes a fraction of a millisecond."""
    if len(password) < fewest:
        return Weakness.SHORT
    text = _folded(password)
    plain = "".join(_WORDS.findall(text))
    unit = _unit(plain)
    if any(reading in common_passwords() for reading in _readings(text, plain, unit)):
        return Weakness.COMMON
    if len(set(text)) < _FEWEST_DIFFERENT or len(unit) < min(len(plain), fewest):
        return Weakness.REPETITIVE
    if _of_its_own(text) < _FEWEST_OF_ONES_OWN:
        return Weakness.PREDICTABLE
    if _is_about(plain, (_PRODUCT, *about)):
        return Weakness.SIMILAR
    return None


def _folded(text: str) -> str:
    """Lower case, without accents, letters of other widths as the plain ones."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(character for character in decomposed if not unicodedata.combining(character))


def _unit(text: str) -> str:
    """What is said over and over, the last time perhaps not to its end; else all of it."""
    for length in range(1, len(text) // 2 + 1):
        if text[length:] == text[:-length]:
            return text[:length]
    return text


def _readings(text: str, plain: str, unit: str) -> set[str]:
    """Without what is put before and behind, and where digits and signs stand for letters."""
    whole = {text, plain, unit}
    words = set(_LETTERS.findall(text))
    if len(words) == 1:
        whole |= words
    cores = {core for one in whole for core in (one, one.strip(_AROUND), one.rstrip(_AROUND))}
    return cores | {core.translate(table) for core in cores for table in _SPOKEN}


def _of_its_own(text: str) -> int:
    """Its length, where a run counts as one character however long it is."""
    lengths: list[int] = []
    running: str | None = None
    for before, one in pairwise(" " + text):
        step = _step(before, one) if lengths else None
        if step is not None and (step == running or lengths[-1] == 1):
            lengths[-1] += 1
        else:
            lengths.append(1)
        running = step
    return sum(1 if length >= _RUN else length for length in lengths)


def _step(before: str, one: str) -> str | None:
    distance = ord(one) - ord(before)
    if distance in {-1, 0, 1}:
        return str(distance)
    return "keyboard" if (before, one) in _STEPS else None


def _is_about(plain: str, about: Iterable[str]) -> bool:
    words = {word for text in about for word in _words_of(text)}
    left = min((_without(reading, words) for reading in (plain, *map(plain.translate, _SPOKEN))), key=len)
    return len(left) < len(plain) and len(left) < _FEWEST_OF_ONES_OWN


def _words_of(text: str) -> Iterable[str]:
    parts = _WORDS.findall(_folded(text))
    for word in (*parts, "".join(parts)):
        if len(word) >= _FEWEST_LETTERS_OF_A_WORD:
            yield word
            yield word[::-1]


def _without(text: str, words: Iterable[str]) -> str:
    for word in sorted(words, key=len, reverse=True):
        text = text.replace(word, "")
    return text
