"""docs/profile-fields.md: `python -m profile_service.domain.page > docs/profile-fields.md`."""

import sys
from collections.abc import Iterator

from profile_service.domain.fields import FIELDS, Field

_HEAD = """# Fields of a profile

Made by `python -m profile_service.domain.page`; change `domain/fields.py` of the service, not this page.
Every field may be null. The database holds each value to the same rule, as `profiles_<column>_check`: nested
names are joined by `_`.

Visible: `self` is for the user alone, `service` for our other services, too, `public` for everybody who is
signed in. Besides the codes below a field that is no text is refused with `field.wrong_type`, one that does
not exist with `field.unknown`, and one that is only shown with `field.read_only`. An emergency contact has a
name: `emergency_contact.name_missing`.

| field | type | rule | example | visible | counts | codes on refusal |
|---|---|---|---|---|---|---|
"""


def page() -> str:
    return _HEAD + "".join(f"{row}\n" for row in _rows())


def _rows() -> Iterator[str]:
    for field in FIELDS:
        cells = (
            f"`{field.pointer}`",
            "date" if field.rule.of_dates else "text",
            f"{field.description} It is {field.rule.says}.",
            f"`{field.example}`",
            field.visibility,
            str(field.weight or ""),
            _codes(field),
        )
        yield f"| {' | '.join(cells)} |"


def _codes(field: Field) -> str:
    return ", ".join(f"`{code}`" for code in field.rule.codes)


if __name__ == "__main__":
    sys.stdout.write(page())
