"""Values by a JSON schema, drawn by dice: as it asks, nearly as it asks, and meant to do harm."""

import random
import string
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

Schema = Mapping[str, Any]

HOSTILE: Final[tuple[Any, ...]] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**63, -(2**63) - 1, 10**30, 0.5, -0.0, 1e308),
    *("", " ", "\t\n", "a", "a" * 300, "a" * 5_000, "\x00", "a\x00b", "\ud800", "\ufffe", "\u202e"),
    *("ﷺ" * 100, "İı", "ß", "Ａ", "é", "١٢٣", "👩\u200d👧", "a@b", "@", "null", "NaN", "1e400", "-", "0x10"),
    *("' or '1'='1", "'; drop table users; --", "${7*7}", "{{7*7}}", "%00", "%s%n", "../../etc/passwd", "\\"),
    *("<script>alert(1)</script>", "a\r\nX-Evil: 1", "UTC+99", "../UTC", "en-", "x" * 37),
    *("not-a-date", "2026-02-30", "9999-12-31T23:59:60Z", "0000-01-01"),
    *("00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"),
    *([], [[]], [None], ["a"] * 300, [[[[[[]]]]]]),
    *({}, {"": 1}, {"a": {"b": {"c": []}}}, {"__proto__": 1}, {"$ref": "#"}, {"a" * 300: 1}),
)
UNASKED: Final = ("role", "is_active", "is_verified", "id", "version", "x" * 200)
LETTERS: Final = string.ascii_letters + string.digits + " .-_äßø漢字"


class Values:
    """`known` are values that mean something by the name of their field: an address, an id, a token."""

    def __init__(self, dice: random.Random, document: Schema, known: Mapping[str, Any]) -> None:
        self._dice = dice
        self._schemas: Schema = document.get("components", {}).get("schemas", {})
        self._known = known
        self._of_type: Mapping[str, Callable[[Schema], Any]] = {
            "object": self._object,
            "array": self._array,
            "string": self._text,
            "integer": lambda told: dice.randint(told.get("minimum", -1000), told.get("maximum", 1000)),
            "number": lambda told: dice.uniform(told.get("minimum", -1000), told.get("maximum", 1000)),
            "boolean": lambda _: dice.random() < 0.5,
            "null": lambda _: None,
        }

    def any(self, schema: Schema, *, name: str = "") -> Any:
        """Mostly as the schema asks; of ten values one is meant to do harm."""
        return self.hostile() if self._dice.random() < 0.1 else self.fitting(schema, name=name)

    def hostile(self) -> Any:
        return self._dice.choice(HOSTILE)

    def fitting(self, schema: Schema, *, name: str = "") -> Any:
        if name in self._known and self._dice.random() < 0.7:
            return self._known[name]
        schema = self._resolved(schema)
        listed = [*schema.get("enum", ()), *([schema["const"]] if "const" in schema else ())]
        if schema.get("examples") and self._dice.random() < 0.6:
            listed = schema["examples"]
        if listed:
            return self._dice.choice(listed)
        alternatives = schema.get("anyOf") or schema.get("oneOf")
        if alternatives:
            return self.fitting(self._dice.choice(alternatives))
        named = schema.get("type", "")
        draw = self._of_type.get(self._dice.choice(named) if isinstance(named, list) else named)
        return self.hostile() if draw is None else draw(schema)

    def _array(self, schema: Schema) -> list[Any]:
        least = schema.get("minItems", 0)
        length = self._dice.randint(least, min(schema.get("maxItems", least + 4), least + 4))
        return [self.any(schema.get("items", {})) for _ in range(length)]

    def _resolved(self, schema: Schema) -> Schema:
        while "$ref" in schema:
            schema = self._schemas[schema["$ref"].rpartition("/")[2]]
        if "allOf" in schema:
            merged: dict[str, Any] = {}
            for part in schema["allOf"]:
                merged |= self._resolved(part)
            return merged
        return schema

    def _object(self, schema: Schema) -> dict[str, Any]:
        """A member that may be left out is there half of the time; one in ten lacks one that may not."""
        required = set(schema.get("required", ()))
        told = {
            name: self.any(inner, name=name)
            for name, inner in schema.get("properties", {}).items()
            if self._dice.random() < (0.97 if name in required else 0.5)
        }
        if self._dice.random() < 0.05:
            told[self._dice.choice(("role", "is_active", "is_verified", "id", "version", "x" * 200))] = (
                self.hostile()
            )
        return told

    def _text(self, schema: Schema) -> str:
        match schema.get("format"):
            case "uuid":
                return str(UUID(int=self._dice.getrandbits(128), version=4))
            case "date":
                return str(self._moment().date())
            case "date-time":
                return self._moment().isoformat()
            case _:
                least = schema.get("minLength", 0)
                length = self._dice.randint(least, min(schema.get("maxLength", least + 40), least + 40))
                return "".join(self._dice.choice(LETTERS) for _ in range(length))

    def _moment(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self._dice.randint(-(10**9), 10**9))
