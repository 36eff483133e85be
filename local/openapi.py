"""The OpenAPI 3.1 document of the whole API, made from the handlers and the template, committed as docs/openapi.json.

`python -m local.openapi` writes it and the page made from it (docs/api-reference.md); `--check` says whether they have
drifted. Requests come from what each handler validates, answers from the shapes it declares (`jifen.domain.views`),
refusals from the classes it may raise, scopes from infra/template.yaml. The webhook entry, which validates no body of
its own, is written out here.
"""

from __future__ import annotations

import argparse
import importlib
import json
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import jifen
from jifen.adapters.webhook import SOURCES
from jifen.domain import errors
from jifen.domain.errors import Refusal
from jifen.domain.operator_views import FindingView
from jifen.domain.views import AcceptedView, FaultView, MoneyView
from jifen.gateway import REQUEST_ID, STATUS
from jifen.http import Operation
from local import api_page, template
from local.schema import name_of, schema_of

DOCS = Path(__file__).resolve().parents[1] / "docs"
PATH = DOCS / "openapi.json"
PAGE = DOCS / "api-reference.md"
FUNCTIONS = ("account", "admin", "catalog", "engage", "hooks", "operate", "outreach", "play", "redeem")

_COUNTS = ("above", "spent_today", "tries_left", "left", "bid", "least", "expected_points", "points", "cash_minor")
_TEXTS = ("currency", "active_from", "restock_on", "order_status")

_PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "RFC 9457. What helps to act stands beside these fields, by the code.",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "detail": {"type": "string"},
        "errors": {"type": "array", "items": schema_of(FaultView, {})},
        "asked": {"type": "integer"},
        "available": {"type": "integer"},
        "limit": {"type": "string"},
        "allowed": {"type": "integer"},
        "resets_at": {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}]},
        "hold_status": {"type": "string"},
        "account_status": {"type": "string"},
        "expires_at": {"type": "string", "format": "date-time"},
        "needs": {"type": "array", "items": {"type": "string"}},
        "retry_after_s": {"type": "integer"},
        "source": {"type": "string"},
        "bytes": {"type": "integer"},
        "bytes_max": {"type": "integer"},
        "based_on": {"type": "integer"},
        "in_force": {"type": "integer"},
        "status_now": {"type": "string"},
        "because": {"type": "string"},
        "days": {"type": "array", "items": {"type": "string", "format": "date"}},
        "findings": {"type": "array", "items": schema_of(FindingView, {})},
        **{name: {"type": "integer"} for name in _COUNTS},
        **{name: {"type": ["string", "null"]} for name in _TEXTS},
        **{name: {"type": ["string", "null"], "format": "date-time"} for name in ("opens_at", "closed_at", "due_at")},
        "used_at": {"type": "string", "format": "date-time"},
        "expired_on": {"type": "string", "format": "date"},
        **{name: schema_of(MoneyView, {}) for name in ("threshold", "missing")},
        "order": {
            "type": "object",
            "required": ["source", "order_id"],
            "properties": {"source": {"type": "string"}, "order_id": {"type": "string"}},
        },
    },
}

_GATEWAY: dict[str, Any] = {
    "type": "object",
    "description": "API Gateway's own answer, given before a function is reached.",
    "required": ["message"],
    "properties": {"message": {"type": ["string", "null"]}},
}

_GATEWAY_SAYS: Mapping[int, str] = {
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    413: "Request Entity Too Large",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
    504: "Endpoint request timed out",
}
"""What API Gateway answers by itself; it cannot be told to say it as a problem document."""

_HEADERS = {
    REQUEST_ID: {"description": "The id of this request, as the logs have it.", "schema": {"type": "string"}},
}
_RETRY_AFTER = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}}

_KEY_PARAMETER = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "description": "The same key and body get the same answer.",
    "schema": {"type": "string", "pattern": "^[!-~]{1,128}$"},
}

_WEBHOOK_TYPES = ("application/json", "application/x-www-form-urlencoded")

_WEBHOOK_REFUSES = (
    errors.SignatureRefused,
    errors.MalformedEvent,
    errors.UnknownSource,
    errors.EventTooLarge,
    errors.Crashed,
    errors.Busy,
)


def document() -> dict[str, Any]:
    """The document, routes of all functions together."""
    schemas: dict[str, Any] = {"Problem": _PROBLEM, "GatewayAnswer": _GATEWAY}
    schema_of(FaultView, schemas)
    scopes = _scopes()
    paths: dict[str, Any] = {
        "/webhooks/{source}": {"post": _webhook(schemas)},
        "/v1/unsubscribe": {"get": _unsubscribe("get"), "post": _unsubscribe("post")},
    }
    for name in FUNCTIONS:
        api = importlib.import_module(f"functions.{name}.app").api
        part = json.loads(
            api.resolver.get_openapi_json_schema(title="Jifen", version=jifen.__version__, openapi_version="3.1.0")
        )
        schemas |= part.get("components", {}).get("schemas", {})
        for path, operations in part["paths"].items():
            paths[path] = {
                method: _operation(api.operations[method, path], method, path, one, scopes, schemas)
                for method, one in operations.items()
            }
    for leftover in ("HTTPValidationError", "ValidationError", "ResponseValidationError"):
        schemas.pop(leftover, None)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Jifen",
            "version": jifen.__version__,
            "description": (
                "Loyalty points: points are whole, money is minor units, days are of the program's time zone, "
                "instants are RFC 3339."
            ),
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


def _operation(
    declared: Operation,
    method: str,
    path: str,
    made: Mapping[str, Any],
    scopes: Mapping[tuple[str, str], list[str]],
    schemas: dict[str, Any],
) -> dict[str, Any]:
    """One operation: the request as Powertools made it, everything else as the handler declares it."""
    parameters = [_parameter(one) for one in made.get("parameters", [])] + ([_KEY_PARAMETER] if declared.keyed else [])
    body = {"requestBody": _body(made["requestBody"])} if "requestBody" in made else {}
    return {
        "summary": made["summary"],
        "operationId": f"{method}_{re.sub(r'[^a-z]+', '_', path.removeprefix('/v1/')).strip('_')}",
        "security": [{"token": scopes[method, _shape(path)]}],
        "parameters": parameters,
        **body,
        "responses": _responses(declared.status, declared.answers, declared.refuses, schemas, gateway=_GATEWAY_SAYS),
    }


def _body(made: Mapping[str, Any]) -> dict[str, Any]:
    """A body that may be left out is not there at all, never null."""
    schema = made["content"]["application/json"]["schema"]
    (plain,) = [one for one in schema.get("anyOf", [schema]) if one != {"type": "null"}]
    return {"required": made.get("required", False), "content": {"application/json": {"schema": plain}}}


def _parameter(made: Mapping[str, Any]) -> dict[str, Any]:
    """A parameter without the title that only repeats its name; an id in a path says whose it is."""
    schema = {name: value for name, value in made["schema"].items() if name != "title"}
    if made["in"] == "path":
        kind = made["name"].removesuffix("_id")
        schema = {"type": "string", "minLength": 1} | ({"maxLength": 128} if kind == "member" else {})
        about = f"The id of the {kind}, percent-encoded; without control characters."
        return {**made, "description": about, "schema": schema}
    return {**made, "schema": schema}


def _responses(
    status: int,
    answers: type,
    refuses: Iterable[type[Refusal]],
    schemas: dict[str, Any],
    gateway: Mapping[int, str],
) -> dict[str, Any]:
    content = {"application/json": {"schema": schema_of(answers, schemas)}}
    good = {str(status): {"description": _about(answers), "headers": _HEADERS, "content": content}}
    by_status: dict[int, list[type[Refusal]]] = {code: [] for code in gateway}
    for refusal in refuses:
        by_status.setdefault(STATUS[refusal], []).append(refusal)
    return good | {str(code): _refused(by_status[code], gateway.get(code)) for code in sorted(by_status)}


def _refused(refusals: list[type[Refusal]], gateway: str | None) -> dict[str, Any]:
    """A response that says no: our problem documents by code, API Gateway's own words, or both."""
    codes = sorted(refusal.code for refusal in refusals)
    problem = {
        "allOf": [{"$ref": "#/components/schemas/Problem"}, {"type": "object", "properties": {"code": {"enum": codes}}}]
    }
    content: dict[str, Any] = {"application/problem+json": {"schema": problem}} if codes else {}
    if gateway:
        content["application/json"] = {"schema": {"$ref": "#/components/schemas/GatewayAnswer"}}
    said = [f"`{refusal.code}`: {refusal.title()}" for refusal in refusals]
    said += [f"From API Gateway itself: {gateway}."] if gateway else []
    headers = _HEADERS | (_RETRY_AFTER if errors.Busy in refusals else {})
    return {"description": "\n\n".join(said), "headers": headers, "content": content}


def _about(answers: type) -> str:
    return (answers.__doc__ or name_of(answers)).splitlines()[0]


def _webhook(schemas: dict[str, Any]) -> dict[str, Any]:
    gateway = {code: said for code, said in _GATEWAY_SAYS.items() if code not in {401, 403}}
    responses = _responses(202, AcceptedView, _WEBHOOK_REFUSES, schemas, gateway)
    ignored = {**responses["202"], "description": "A ping, or a topic that is none of ours."}
    return {
        "summary": "Order events of a shop, signed",
        "operationId": "post_webhooks",
        "description": "The signature over the raw body takes the place of a token; its headers are the shop's own.",
        "security": [],
        "parameters": [
            {
                "name": "source",
                "in": "path",
                "required": True,
                "description": "The shop's platform.",
                "schema": {"type": "string", "enum": sorted(SOURCES)},
            },
        ],
        "requestBody": {
            "required": True,
            "description": "The raw bytes that were signed; as a form only WooCommerce's unsigned ping.",
            "content": {name: {"schema": {"type": "object"}} for name in _WEBHOOK_TYPES},
        },
        "responses": {
            "200": ignored,
            "202": {**responses["202"], "description": "The queue has it."},
            **{code: said for code, said in responses.items() if code != "202"},
        },
    }


def _unsubscribe(method: str) -> dict[str, Any]:
    """The page behind the link in a message: whoever has the link may end the messages."""
    form = {"type": "object", "properties": {"action": {"type": "string", "enum": ["resubscribe"]}}}
    said = {
        "200": "The page, in the member's language.",
        "404": "The link is not one of ours, or not whole any more.",
        "503": "It could not be written down in time; the page asks to try again.",
    }
    page = {"text/html": {"schema": {"type": "string"}}}
    responses = {
        status: {"description": about, "headers": _HEADERS | (_RETRY_AFTER if status == "503" else {}), "content": page}
        for status, about in said.items()
    }
    for code, words in _GATEWAY_SAYS.items():
        refused = _refused([errors.Crashed] if STATUS[errors.Crashed] == code else [], words)
        if str(code) in responses:
            responses[str(code)]["content"] = page | refused["content"]
        elif code not in {401, 403}:
            responses[str(code)] = refused
    made: dict[str, Any] = {
        "summary": "Look at what a link in a message would end" if method == "get" else "End messages on a channel",
        "operationId": f"{method}_unsubscribe",
        "description": "The token in the link takes the place of one of the API. A look changes nothing."
        if method == "get"
        else "What the page's button sends, and mail programs by themselves (RFC 8058); any other body does the same.",
        "security": [],
        "parameters": [
            {
                "name": "token",
                "in": "query",
                "required": True,
                "description": "From the link.",
                "schema": {"type": "string"},
            }
        ],
        "responses": responses,
    }
    if method == "post":
        made["requestBody"] = {"required": False, "content": {"application/x-www-form-urlencoded": {"schema": form}}}
    return made


def _scopes() -> dict[tuple[str, str], list[str]]:
    """The scopes that the template asks for, by method and path."""
    functions = template.resources(template.load(), "AWS::Serverless::Function")
    routes = [
        event["Properties"]
        for function in functions.values()
        for event in (function.get("Events") or {}).values()
        if event["Type"] == "HttpApi"
    ]
    return {
        (route["Method"].lower(), _shape(route["Path"])): route.get("Auth", {}).get("AuthorizationScopes", [])
        for route in routes
    }


def _shape(path: str) -> str:
    """A path without the names of its parameters, which template and handlers may choose differently."""
    return re.sub(r"\{\w+\}", "{}", path)


def texts() -> dict[Path, str]:
    """The document and the page, as they are committed."""
    made = document()
    return {PATH: json.dumps(made, indent=2, ensure_ascii=False) + "\n", PAGE: api_page.page(made)}


def main() -> int:
    """Write document and page, or compare them with what is committed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--check", action="store_true", help="compare only; exit 1 when one has drifted")
    check = parser.parse_args().check
    drifted = [path for path, text in texts().items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    for path in drifted:
        if check:
            print(f"docs/{path.name} has drifted from the handlers: run `make format` and look at it", file=sys.stderr)
        else:
            path.write_text(texts()[path], encoding="utf-8")
            print(f"wrote docs/{path.name}")
    return 1 if check and drifted else 0


if __name__ == "__main__":
    sys.exit(main())
