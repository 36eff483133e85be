"""The OpenAPI document: valid by its own standard, and the same API as handlers, template and refusals have."""

from __future__ import annotations

import importlib
import re
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from jifen.adapters.webhook import SOURCES
from jifen.domain.errors import Refusal
from jifen.gateway import STATUS
from local import openapi, template
from local.schema import schema_of

METHODS = ("get", "post", "put", "patch", "delete")


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    """The document."""
    return openapi.document()


def routes(document: dict[str, Any]) -> set[tuple[str, str]]:
    """Method and path without parameter names, of every operation."""
    return {
        (method, re.sub(r"\{\w+\}", "{}", path))
        for path, operations in document["paths"].items()
        for method in operations
        if method in METHODS
    }


def operations(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Every operation with its path."""
    return [(path, one) for path, methods in document["paths"].items() for one in methods.values()]


def test_the_document_is_valid(made: dict[str, Any]) -> None:
    """By the standard's own schema and rules."""
    OpenAPIV31SpecValidator(made).validate()


@pytest.mark.parametrize("path", list(openapi.texts()), ids=lambda path: path.name)
def test_what_is_committed_is_what_the_handlers_say(path: Any) -> None:
    """`make format` writes it anew."""
    assert openapi.texts()[path] == path.read_text(encoding="utf-8")


def test_the_template_has_the_same_routes_with_the_same_scopes(made: dict[str, Any]) -> None:
    """A route that is deployed is described, and one that is described is deployed."""
    functions = template.resources(template.load(), "AWS::Serverless::Function").values()
    events = [
        event["Properties"] for each in functions for event in each["Events"].values() if event["Type"] == "HttpApi"
    ]
    deployed = {
        (event["Method"].lower(), re.sub(r"\{\w+\}", "{}", event["Path"])): event["Auth"].get("AuthorizationScopes")
        for event in events
    }
    described = {
        (method, re.sub(r"\{\w+\}", "{}", path)): one["security"][0]["token"] if one["security"] else None
        for path, methods in made["paths"].items()
        for method, one in methods.items()
    }

    assert len(events) == len(deployed) == len(routes(made))
    assert deployed == described


def test_every_function_with_a_route_is_in_the_document() -> None:
    """A new function is not forgotten: all that have an API are asked for it."""
    functions = template.resources(template.load(), "AWS::Serverless::Function")
    with_routes = {
        name.lower()
        for name, each in functions.items()
        if any(event["Type"] == "HttpApi" for event in each["Events"].values())
    }

    assert with_routes == {*openapi.FUNCTIONS, "webhook"}
    for name in openapi.FUNCTIONS:
        assert importlib.import_module(f"functions.{name}.app").api.operations


def test_every_refusal_that_has_a_status_is_described(made: dict[str, Any]) -> None:
    """Each code stands at some operation, under its own status, but those that only the command line shows."""
    described = {
        (int(status), code)
        for _, one in operations(made)
        for status, said in one["responses"].items()
        for content in [said["content"].get("application/problem+json")]
        if content
        for code in content["schema"]["allOf"][1]["properties"]["code"]["enum"]
    }
    elsewhere = {"NOT_FOUND"}

    assert {(status, each.code) for each, status in STATUS.items() if each.code not in elsewhere} == described
    assert {each.code for each in STATUS} == {each.code for each in _descendants(Refusal) if each in STATUS}


def _descendants(kind: type[Refusal]) -> set[type[Refusal]]:
    return {kind}.union(*(_descendants(child) for child in kind.__subclasses__()))


def test_every_refusal_class_has_a_status() -> None:
    """A refusal without one would crash the answer that should tell it."""
    assert _descendants(Refusal) - {Refusal} == set(STATUS)


PAGES = {"/v1/unsubscribe"}
"""What is answered with a page for people."""


def test_every_operation_says_what_every_caller_needs(made: dict[str, Any]) -> None:
    """An id of its own, a summary, an answer with a described shape, the request's id, what a throttled caller sees."""
    ids = [one["operationId"] for _, one in operations(made)]
    assert len(set(ids)) == len(ids)
    for path, one in operations(made):
        good = [said for status, said in one["responses"].items() if status.startswith("2")]
        assert one["summary"], path
        if path in PAGES:
            assert ["text/html"] == [name for said in good for name in said["content"]], path
        else:
            assert all("$ref" in said["content"]["application/json"]["schema"] for said in good), path
        assert all("X-Request-Id" in said["headers"] for said in one["responses"].values()), path
        assert {"429", "500", "503"} <= one["responses"].keys(), path


def test_every_changing_call_asks_for_a_key(made: dict[str, Any]) -> None:
    """All POSTs but the signed ones (webhooks, links), and those that change nothing (quotes, previews)."""
    keyed = {
        path for path, one in operations(made) if any(each["name"] == "Idempotency-Key" for each in one["parameters"])
    }

    posts = {path for path, methods in made["paths"].items() if "post" in methods}
    nothing_changes = {"/v1/quotes", "/v1/notices/preview", "/v1/rulesets/{ruleset_id}/validity-preview"}
    assert posts - {"/webhooks/{source}", *PAGES} - nothing_changes == keyed


def test_every_shop_is_a_source(made: dict[str, Any]) -> None:
    """The sources in the document are the adapters there are."""
    (source,) = made["paths"]["/webhooks/{source}"]["post"]["parameters"]

    assert sorted(SOURCES) == source["schema"]["enum"]


@pytest.mark.parametrize("shape", [float, set[str], complex])
def test_a_shape_that_no_answer_may_have_is_refused(shape: Any) -> None:
    """A float in an answer would be points or money that do not add up."""
    with pytest.raises(TypeError, match="no type of a view"):
        schema_of(shape, {})
