"""What pydantic found, as faults with stable codes: its own names change with its versions."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from common.errors import Fault, Kind, QuartetError

MOST_FAULTS = 100
"""A body of a megabyte can have a hundred thousand, and an answer eight times as long."""

_CODES = {
    "missing": "field.missing",
    "extra_forbidden": "field.unknown",
    "string_too_short": "field.too_short",
    "string_too_long": "field.too_long",
    "bytes_too_short": "field.too_short",
    "bytes_too_long": "field.too_long",
    "too_short": "field.too_short",
    "too_long": "field.too_long",
    "string_pattern_mismatch": "field.wrong_format",
    "string_unicode": "text.unreadable",
    "enum": "field.not_a_choice",
    "literal_error": "field.not_a_choice",
    "finite_number": "number.not_finite",
    "multiple_of": "field.out_of_range",
    "int_parsing_size": "number.out_of_range",
    "recursion_loop": "json.too_deep",
}
_FAMILIES: tuple[tuple[Callable[[str], bool], str], ...] = (
    (lambda kind: kind.startswith(("greater_than", "less_than")), "field.out_of_range"),
    (lambda kind: kind.endswith("_type"), "field.wrong_type"),
    (lambda kind: kind.startswith(("uuid", "date", "time", "url", "decimal", "ip_v")), "field.wrong_format"),
    (lambda kind: kind.endswith(("_parsing", "_from_float")), "field.wrong_type"),
)
_WHERE = {"query": "?", "path": "@", "header": "#", "cookie": "#"}


def code_of(pydantic_type: str) -> str:
    """Types with a dot are codes already: our own validators raise them."""
    if "." in pydantic_type:
        return pydantic_type
    return _CODES.get(pydantic_type) or next(
        (code for matches, code in _FAMILIES if matches(pydantic_type)), "field.invalid"
    )


def pointer_of(location: Iterable[str | int]) -> str:
    where, *path = location
    if (mark := _WHERE.get(str(where))) is not None:
        return mark + ".".join(str(part) for part in path)
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def invalid_request(errors: Sequence[Mapping[str, Any]]) -> QuartetError:
    """Every fault at once, unless there are too many or the body could not be read at all."""
    faults: list[Fault] = []
    for error in errors[:MOST_FAULTS]:
        kind, location = str(error["type"]), tuple(error["loc"])
        if kind == "json_invalid":
            return malformed("json.malformed", f"The body is no JSON: {error['ctx']['error']}.")
        if kind == "missing" and location == ("body",):
            faults.append(Fault("", "body.missing", "The request needs a body."))
        else:
            faults.append(Fault(pointer_of(location), code_of(kind), str(error["msg"])))
    return _invalid(faults, number=len(errors))


def invalid(*faults: Fault) -> QuartetError:
    return _invalid(faults, number=len(faults))


def _invalid(faults: Sequence[Fault], *, number: int) -> QuartetError:
    told = tuple(faults[:MOST_FAULTS])
    detail = "The request has one fault." if number == 1 else f"The request has {number:,} faults."
    if number > len(told):
        detail += f" The first {len(told)} are told."
    return QuartetError("request.invalid", detail, kind=Kind.INVALID, faults=told)


def malformed(code: str, detail: str) -> QuartetError:
    return QuartetError(code, detail, kind=Kind.MALFORMED)
