"""Requests drawn from an OpenAPI document, and whether the answers are what it says."""

import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlencode

import httpx
import jsonschema_rs

from tests.support.schema_values import Values

FORM: Final = "application/x-www-form-urlencoded"
BROKEN: Final = (
    *(b"", b"{", b"null", b"[]", b'"text"', b"7", b"\xff\xfe", b"\x00", b'{"a":1,"a":2}', b"[" * 500, b"NaN"),
    *(b'{"a":1e999}', b'{"a":"\\ud800"}', b'{"\\u0000":1}', b"a=1&a=2", b"%ff=%ff", b"{}" * 3, b" " * 70_000),
)
TYPES: Final = (
    *(
        "application/json",
        "application/merge-patch+json",
        FORM,
        "text/plain",
        "multipart/form-data; boundary=x",
    ),
    *("application/json; charset=utf-16", "", "a/b/c", "application/xml", "application/problem+json"),
)


@dataclass(frozen=True)
class Operation:
    method: str
    path: str
    told: Mapping[str, Any]

    @property
    def name(self) -> str:
        return f"{self.method.upper()} {self.path}"


def operations(document: Mapping[str, Any]) -> Iterator[Operation]:
    for path, methods in document["paths"].items():
        for method, told in methods.items():
            # health takes nothing that could be drawn, and tells of checks that only a process has
            if "/health" not in path:
                yield Operation(method, path, told)


class Requests:
    def __init__(self, dice: random.Random, values: Values) -> None:
        self._dice = dice
        self._values = values

    def drawn(self, operation: Operation, *, headers: Mapping[str, str]) -> httpx.Request:
        path, query, sent = operation.path, {}, dict(headers)
        for parameter in operation.told.get("parameters", ()):
            if not parameter.get("required") and self._dice.random() < 0.5:
                continue
            name, text = (
                parameter["name"],
                _text(self._values.any(parameter["schema"], name=parameter["name"])),
            )
            match parameter["in"]:
                case "path":
                    path = path.replace(f"{{{name}}}", quote(text, safe="", errors="replace") or "-")
                case "query":
                    query[name] = text.encode("utf-8", "replace")
                case "header":
                    sent[name] = text.encode("latin-1", "replace").decode("latin-1").translate(_NO_LINES)
                case _:
                    pass
        content = self._content(operation.told.get("requestBody", {}).get("content", {}), sent)
        return httpx.Request(
            operation.method,
            f"http://fuzz.test{path}" + (f"?{urlencode(query)}" if query else ""),
            headers={name.encode(): value.encode("latin-1", "replace") for name, value in sent.items()},
            content=content,
        )

    def _content(self, content: Mapping[str, Any], sent: dict[str, str]) -> bytes | None:
        if not content:
            return None
        media_type = self._dice.choice(list(content))
        sent["Content-Type"] = media_type
        if self._dice.random() < 0.1:
            sent["Content-Type"] = self._dice.choice((media_type, *TYPES))
            return self._dice.choice(BROKEN)
        value = self._values.any(content[media_type]["schema"])
        if media_type == FORM:
            fields = value if isinstance(value, dict) else {"x": value}
            return urlencode({_bytes(name): _bytes(_text(told)) for name, told in fields.items()}).encode()
        return json.dumps(value).encode()


def fault(document: Mapping[str, Any], operation: Operation, answer: httpx.Response) -> str | None:
    """What of the answer the document does not say."""
    if answer.status_code >= 500:
        return f"a server error: {answer.status_code} {answer.text[:200]}"
    told = operation.told["responses"].get(str(answer.status_code))
    if told is None:
        return f"{answer.status_code} is not documented: {answer.text[:200]}"
    return _fault_of_content(document, told, answer) if answer.content else None


def _fault_of_content(
    document: Mapping[str, Any], told: Mapping[str, Any], answer: httpx.Response
) -> str | None:
    shown = f"{answer.status_code} {answer.text[:200]}"
    media_type = answer.headers["content-type"].partition(";")[0]
    if media_type not in told.get("content", {}):
        return f"{shown} as {media_type} is not documented"
    schema = {**told["content"][media_type]["schema"], "components": document["components"]}
    error = next(iter(jsonschema_rs.validator_for(schema).iter_errors(answer.json())), None)
    if error is not None:
        return f"{shown} is not as documented: {error.message}"
    codes = told.get("x-problem-codes")
    is_known = codes is None or answer.json()["code"] in codes
    return None if is_known else f"{shown} has a code that is not documented"


_NO_LINES: Final = dict.fromkeys((*range(32), 127))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "replace")
