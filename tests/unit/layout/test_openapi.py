"""The documents that clients are made from: whole, and true to themselves."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import jsonschema_rs
import pytest
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR

from common.composition.api import public_app
from common.health.checks import Checks
from common.health.routes import HealthView
from common.settings import HttpSettings
from tests.support.repository import SERVICE_PACKAGES

Document = Mapping[str, Any]


@pytest.fixture(scope="module", params=SERVICE_PACKAGES)
def document(request: pytest.FixtureRequest) -> Document:
    api = import_module(f"{SERVICE_PACKAGES[request.param].name}.app").API
    health = HealthView(service=request.param, version="0", ready=Checks(()))
    return public_app(api, SimpleNamespace(http=HttpSettings(port=1)), health).openapi()


def operations(document: Document) -> dict[str, Document]:
    return {
        f"{method.upper()} {path}": told
        for path, methods in document["paths"].items()
        for method, told in methods.items()
    }


def bodies(document: Document) -> Iterator[tuple[str, Document]]:
    for name, told in operations(document).items():
        for status, body in {"request": told.get("requestBody", {}), **told["responses"]}.items():
            for media_type, content in body.get("content", {}).items():
                yield f"{name} {status} {media_type}", content


def schemas(document: Document) -> Iterator[tuple[str, Document]]:
    """Of everything that may stand as text in a path, a query or a header."""
    for name, told in operations(document).items():
        for parameter in told.get("parameters", ()):
            yield f"{name} {parameter['in']} {parameter['name']}", parameter["schema"]
        for status, answer in told["responses"].items():
            for header, described in answer.get("headers", {}).items():
                yield f"{name} {status} {header}", described["schema"]


def faults(document: Document, schema: Document, example: Any) -> list[str]:
    whole = {**schema, "components": document["components"]}
    return [error.message for error in jsonschema_rs.Draft202012Validator(whole).iter_errors(example)]


class TestADocument:
    def test_keeps_to_the_standard(self, document: Document):
        assert [error.message for error in OPENAPI_31_VALIDATOR.iter_errors(document)] == []

    def test_says_what_each_operation_is_for(self, document: Document):
        assert [name for name, told in operations(document).items() if not told["summary"]] == []
        assert [name for name, told in operations(document).items() if not told["tags"]] == []

    def test_names_each_operation_once(self, document: Document):
        names = [told["operationId"] for told in operations(document).values()]

        assert len(set(names)) == len(names)

    def test_shows_an_example_of_each_body(self, document: Document):
        assert [name for name, content in bodies(document) if "example" not in content] == []

    def test_shows_examples_that_fit(self, document: Document):
        shown = {
            name: faults(document, content["schema"], content["example"])
            for name, content in bodies(document)
        }
        parts = {
            f"{name} {example}": faults(document, schema, example)
            for name, schema in schemas(document)
            for example in schema.get("examples", ())
        }

        assert {name: found for name, found in (shown | parts).items() if found} == {}

    def test_has_a_scheme_for_all_that_secures_an_operation(self, document: Document):
        known = document["components"]["securitySchemes"].keys()
        asked = {
            scheme
            for told in operations(document).values()
            for alternative in told.get("security", ())
            for scheme in alternative
        }

        assert asked <= known

    @pytest.mark.parametrize(
        ("status", "header"), [("429", "Retry-After"), ("503", "Retry-After"), ("401", "WWW-Authenticate")]
    )
    def test_tells_what_goes_with_a_refusal(self, document: Document, status: str, header: str):
        refusals = {
            name: told["responses"][status]
            for name, told in operations(document).items()
            if status in told["responses"]
        }

        assert [name for name, told in refusals.items() if header not in told.get("headers", {})] == []
