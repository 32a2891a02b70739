"""Texts that people read: one spelling, and nothing in them that cannot be seen."""

import re
import unicodedata
from typing import Final

from profile_service.domain.reading import Reading, RefusedError, Rule

# Both are inside of [] in Python's regular expressions and in PostgreSQL's, which read them alike.
HIDDEN: Final = (
    r"\u0001-\u0009\u000b-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    r"\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164\ufeff\uffa0\ufff9-\ufffc"
    r"\U000e0000-\U000e00ff"
)
"""Controls but the line's end, changes of direction, and what takes no room: names are forged with them."""
SPACES: Final = r"\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000"
"""Other spaces than the one on the keyboard."""

CODES: Final = ("text.blank", "text.too_long", "text.hidden_character")

_ONE_LINE = re.compile(rf"[\t\r\n {SPACES}]+")
_OTHER_SPACE = re.compile(rf"[\t{SPACES}]")
_HIDDEN = re.compile(rf"[\x00{HIDDEN}]")
_JOINERS: Final = "\u200c\u200d"
# Persian, the scripts of India and emoji are written with joiners; Latin, Greek and Cyrillic are not.
_JOINED: Final = frozenset({"Lo", "Mn", "Mc", "So", "Sk"})
_MOST_MARKS: Final = 8
"""On one letter. Tibetan stacks five; more is meant to run over its neighbours."""
_MOST_OVERHEAD: Final = 4
"""How much longer a text may be before it is normalised: sorting marks takes the square of their number."""


def line(most: int) -> Rule:
    return Rule(
        says=f"1 to {most} characters in one line; spaces become one, what cannot be seen is refused",
        read=lambda text, _: read_line(text, most),
        check=(
            f"char_length({{column}}) between 1 and {most} and {{column}} is nfc normalized "
            rf"and {{column}} !~ '^ | $|  |[\u000a{HIDDEN}{SPACES}]'"
        ),
        codes=CODES,
        most=most,
    )


def paragraphs(most: int) -> Rule:
    return Rule(
        says=f"1 to {most} characters in any number of lines; what cannot be seen is refused",
        read=lambda text, _: read_paragraphs(text, most),
        check=(
            f"char_length({{column}}) between 1 and {most} and {{column}} is nfc normalized "
            rf"and {{column}} !~ '^[ \u000a]|[ \u000a]$|[{HIDDEN}{SPACES}]'"
        ),
        codes=CODES,
        most=most,
    )


def one_of(choices: frozenset[str], *, says: str, code: str, most: int, check: str) -> Rule:
    """Short codes that people write in either case."""

    def read(text: str, _: Reading) -> str:
        typed = normalised(text, most).strip()
        # other letters than ours become two of ours in upper case: ß would be South Sudan
        if not typed.isascii() or typed.upper() not in choices:
            raise RefusedError(code, f"This is not {says}.")
        return typed.upper()

    return Rule(says=says, read=read, check=check, codes=(code, "text.too_long"), most=most)


def read_line(text: str, most: int) -> str:
    return _readable(_ONE_LINE.sub(" ", normalised(text, most)).strip(" "), most)


def read_paragraphs(text: str, most: int) -> str:
    lines = normalised(text, most).replace("\r\n", "\n").replace("\r", "\n")
    return _readable(_OTHER_SPACE.sub(" ", lines).strip(" \n"), most)


def normalised(text: str, most: int) -> str:
    if len(text) > _MOST_OVERHEAD * most + 64:
        raise _too_long(most)
    return unicodedata.normalize("NFC", text)


def refuse_hidden(text: str) -> None:
    if _HIDDEN.search(text):
        raise _hidden()
    # most texts are ASCII, and then all is said
    if text.isascii():
        return
    categories = [unicodedata.category(character) for character in text]
    marks = 0
    for place, (character, category) in enumerate(zip(text, categories, strict=True)):
        marks = marks + 1 if category in {"Mn", "Me"} else 0
        joins = character in _JOINERS and _between_joined(categories, place)
        if marks > _MOST_MARKS or (category[0] == "C" and character != "\n" and not joins):
            raise _hidden()


def _between_joined(categories: list[str], place: int) -> bool:
    around = categories[place - 1 : place] + categories[place + 1 : place + 2]
    return len(around) == 2 and _JOINED.issuperset(around)


def _readable(text: str, most: int) -> str:
    if not text:
        raise RefusedError("text.blank", "There is nothing in this text; null removes it.")
    if len(text) > most:
        raise _too_long(most)
    refuse_hidden(text)
    if not any(unicodedata.category(character)[0] in "LNPS" for character in text):
        raise RefusedError("text.blank", "Nothing of this text can be seen; null removes it.")
    return text


def _too_long(most: int) -> RefusedError:
    return RefusedError("text.too_long", f"This has more than {most} characters.")


def _hidden() -> RefusedError:
    return RefusedError(
        "text.hidden_character", "The text holds a character that cannot be seen or turns others around."
    )
