"""Who stands on whom."""

from collections.abc import Sequence

from quartet_cli.stack.part import Part


def all_needs(ordered: Sequence[Part]) -> dict[str, set[str]]:
    """What each stands on, through others too."""
    found: dict[str, set[str]] = {}
    for part in ordered:
        found[part.name] = {*part.needs, *(below for need in part.needs for below in found[need])}
    return found


def in_order(parts: Sequence[Part]) -> list[Part]:
    """As given, but each after what it needs; an unknown need or a circle is an error at once."""
    named = {part.name: part for part in parts}
    ordered: dict[str, Part] = {}

    def place(part: Part, above: tuple[str, ...]) -> None:
        if part.name in above:
            raise ValueError(f"parts need each other in a circle: {' -> '.join((*above, part.name))}")
        for need in part.needs:
            if need not in named:
                raise ValueError(f"{part.name} needs {need}, which is no part of this stack")
            place(named[need], (*above, part.name))
        ordered[part.name] = part

    for part in parts:
        place(part, ())
    return list(ordered.values())
