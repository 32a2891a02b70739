"""What an operation's OpenAPI document can be told beyond what the framework reads from its signature."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast

CallT = TypeVar("CallT", bound=Callable[..., Any])
Schema = Mapping[str, Any]


@dataclass(frozen=True)
class Operation:
    method: str
    told: dict[str, Any]
    components: dict[str, Any]

    def asks(self, name: str, schema: Schema, *, description: str, required: bool = False) -> None:
        """For a header of the request; who asks last has the last word."""
        kept = [
            one for one in self.told.get("parameters", ()) if (one["in"], one["name"]) != ("header", name)
        ]
        asked = {
            "name": name,
            "in": "header",
            "required": required,
            "description": description,
            "schema": dict(schema),
        }
        self.told["parameters"] = [*kept, asked]

    def answers(
        self, name: str, schema: Schema, *, description: str, statuses: Iterable[str], always: bool = True
    ) -> None:
        """For a header of those answers that the operation has."""
        for status in statuses:
            told = self.told["responses"].get(status)
            if told is not None:
                told.setdefault("headers", {})[name] = {
                    "description": description,
                    "required": always,
                    "schema": dict(schema),
                }

    def secured_by(self, *alternatives: Mapping[str, Schema]) -> None:
        """Each names all the schemes that it takes together; an empty one: nothing is needed."""
        schemes = self.components.setdefault("securitySchemes", {})
        self.told["security"] = [{name: list[str]() for name in one} for one in alternatives]
        for one in alternatives:
            schemes |= {name: dict(scheme) for name, scheme in one.items()}


Amendment = Callable[[Operation], None]


def tells(*amendments: Amendment) -> Callable[[CallT], CallT]:
    """On a route, or on what routes depend on."""

    def marked(call: CallT) -> CallT:
        cast("Any", call).amendments = (*getattr(call, "amendments", ()), *amendments)
        return call

    return marked
