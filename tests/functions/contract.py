"""Holds every answer that a test gets against the OpenAPI document: status, content type, headers, each field."""

from __future__ import annotations

import copy
import functools
import re
from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator

from local.openapi import document


def check(method: str, path: str, status: int, headers: Mapping[str, str], body: Any) -> None:
    """Fail unless the document says that this call may be answered so; header names in lower case.

    A path that is none of the document's may only be answered 404.
    """
    operation = next((found for pattern, found in _operations(method.lower()) if pattern.fullmatch(path)), None)
    if operation is None:
        assert 404 == status, f"{method} {path} is not in the document and was answered {status}"
        return
    said = operation["responses"].get(str(status))
    assert said, f"{method} {path} was answered {status}, which the document does not know"
    content = said["content"].get(headers["content-type"])
    assert content, f"{method} {path} was answered {headers['content-type']} with {status}"
    Draft202012Validator({**content["schema"], "components": _strict()["components"]}).validate(body)
    assert headers["x-request-id"]
    assert (status == 503) == ("retry-after" in headers)


@functools.cache
def _strict() -> dict[str, Any]:
    """The document, with no field allowed that it does not name."""
    made = copy.deepcopy(document())
    for schema in _objects(made["components"]["schemas"]):
        schema.setdefault("additionalProperties", False)
    return made


def _objects(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        if node.get("type") == "object" and "properties" in node:
            yield node
        for child in node.values():
            yield from _objects(child)


@functools.cache
def _operations(method: str) -> tuple[tuple[re.Pattern[str], Mapping[str, Any]], ...]:
    return tuple(
        (re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), operations[method])
        for path, operations in _strict()["paths"].items()
        if method in operations
    )
