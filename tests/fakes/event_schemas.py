"""The committed JSON Schemas, as a strict receiver would hold an event against them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker

from local.event_schemas import FOLDER


def faults(kind: str, detail: Mapping[str, Any]) -> list[str]:
    """What is wrong with an event of this type: nothing, usually. A property that no schema names is wrong too."""
    return [f"{error.json_path}: {error.message}" for error in validator(kind).iter_errors(detail)]


@cache
def validator(kind: str) -> Draft202012Validator:
    """The validator of a type."""
    schema = json.loads((FOLDER / f"{kind}.schema.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(_strict(schema), format_checker=FormatChecker())


def _strict(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: _strict(part) if key != "examples" else part for key, part in schema.items()}
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
        made["additionalProperties"] = False
    return made
