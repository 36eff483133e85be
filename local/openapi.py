"""The OpenAPI 3.1 document of the whole API, made from the handlers and committed as docs/openapi.json.

`python -m local.openapi` writes it, `--check` says whether it has drifted. Every function contributes the routes it
registers; the webhook entry, which validates no body of its own, is written out here.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from pathlib import Path
from typing import Any

import jifen

PATH = Path(__file__).resolve().parents[1] / "docs" / "openapi.json"
FUNCTIONS = ("account", "redeem")

_PROBLEM: dict[str, Any] = {
    "type": "object",
    "title": "Problem",
    "description": "RFC 9457; facts that help to act stand beside these fields.",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "detail": {"type": "string"},
    },
}

_KEY_PARAMETER = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "description": "1 to 128 visible ASCII characters; the same key and body get the same answer.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 128},
}


def _problem(description: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": description, "content": {"application/problem+json": {"schema": schema}}}


_REFUSALS = {
    "400": _problem("IDEMPOTENCY_KEY_MISSING"),
    "401": _problem("No valid token"),
    "403": _problem("The token lacks the scope, or is another member's"),
    "404": _problem("Nothing has this id"),
    "409": _problem("INSUFFICIENT_POINTS, LIMIT_REACHED, ACCOUNT_FROZEN or HOLD_ALREADY_RESOLVED"),
    "410": _problem("HOLD_EXPIRED"),
    "422": _problem("INVALID_REQUEST, each field named, or IDEMPOTENCY_KEY_REUSED"),
    "503": _problem("BUSY, with Retry-After"),
}

_WEBHOOK = {
    "post": {
        "summary": "Order events of a shop, signed",
        "operationId": "webhook",
        "security": [],
        "parameters": [
            {"name": "source", "in": "path", "required": True, "schema": {"type": "string", "enum": ["standard"]}},
        ],
        "requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}},
        "responses": {
            "200": {"description": "A ping, or a topic that is none of ours"},
            "202": {"description": "The queue has it"},
            "400": _problem("MALFORMED_EVENT, each field named"),
            "401": _problem("SIGNATURE_REFUSED"),
            "404": _problem("UNKNOWN_SOURCE"),
            "413": _problem("EVENT_TOO_LARGE"),
            "503": _problem("BUSY, with Retry-After: our queue did not answer"),
        },
    }
}


def document() -> dict[str, Any]:
    """The document, routes of all functions together."""
    paths: dict[str, Any] = {"/webhooks/{source}": _WEBHOOK}
    schemas: dict[str, Any] = {"Problem": _PROBLEM}
    for name in FUNCTIONS:
        resolver = importlib.import_module(f"functions.{name}.app").api.resolver
        part = json.loads(
            resolver.get_openapi_json_schema(title="Jifen", version=jifen.__version__, openapi_version="3.1.0")
        )
        schemas |= part.get("components", {}).get("schemas", {})
        for path, operations in part["paths"].items():
            paths[path] = {method: _with_refusals(method, dict(one)) for method, one in operations.items()}
    for leftover in ("HTTPValidationError", "ValidationError"):
        schemas.pop(leftover, None)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Jifen",
            "version": jifen.__version__,
            "description": "Loyalty points: points are whole, money is minor units, instants are RFC 3339.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def _with_refusals(method: str, operation: dict[str, Any]) -> dict[str, Any]:
    """One operation with our refusals in place of the framework's, and the key that every POST needs."""
    responses = {status: said for status, said in operation.get("responses", {}).items() if status != "422"}
    operation["responses"] = dict(sorted({**responses, **_REFUSALS}.items()))
    if method == "post":
        operation["parameters"] = [*operation.get("parameters", []), _KEY_PARAMETER]
    return operation


def text() -> str:
    """The document as it is committed."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


def main() -> int:
    """Write the document, or compare it with what is committed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--check", action="store_true", help="compare only; exit 1 when it has drifted")
    if not parser.parse_args().check:
        PATH.write_text(text(), encoding="utf-8")
        print(f"wrote {PATH.relative_to(Path.cwd()) if PATH.is_relative_to(Path.cwd()) else PATH}")
        return 0
    if PATH.exists() and PATH.read_text(encoding="utf-8") == text():
        return 0
    print(
        "docs/openapi.json has drifted from the handlers: run `make format` and look at the difference", file=sys.stderr
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
