"""The API as a page to read, made from the OpenAPI document: every call, what it takes, answers and refuses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

_HEAD = """\
# API reference

Made from [openapi.json](openapi.json), which is made from the handlers. Authentication, idempotency and what the
figures mean: [api.md](api.md).

Every answer carries `X-Request-Id`. Every refusal of ours is `application/problem+json` with a stable `code`; what API
Gateway refuses by itself, before a function is reached, is `{"message": …}`: no or an invalid token (401), a missing
scope (403), no such route (404), too many requests (429), a function that timed out (503, 504).
"""


def page(document: Mapping[str, Any]) -> str:
    """The page in Markdown."""
    schemas = document["components"]["schemas"]
    calls = [
        (path, method, operation)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]
    parts = [_HEAD, _table(("call", "does"), ((_link(method, path), op["summary"]) for path, method, op in calls))]
    parts += [_call(path, method, operation) for path, method, operation in calls]
    shapes = [name for name in schemas if name not in {"Problem", "GatewayAnswer"}]
    parts += ["## Shapes\n", *(_shape(name, schemas[name]) for name in shapes)]
    return "\n".join(parts)


def _call(path: str, method: str, operation: Mapping[str, Any]) -> str:
    lines = [f"## {method.upper()} {path}\n", f"{operation['summary']}.\n"]
    if "description" in operation:
        lines.append(f"{operation['description']}\n")
    scopes = [scope for one in operation["security"] for names in one.values() for scope in names]
    lines.append(
        f"Scope: {' or '.join(f'`{scope}`' for scope in scopes) if scopes else 'none, what is sent is signed'}.\n"
    )
    rows = [
        (f"`{one['name']}`", one["in"], _type(one["schema"]), _needed(one.get("required")), one.get("description", ""))
        for one in operation["parameters"]
    ]
    if body := _body(operation):
        required = operation["requestBody"].get("required")
        rows.append(("body", "", body, _needed(required), ""))
    lines.append(_table(("takes", "in", "type", "needed", ""), rows))
    answers = [(status, said) for status, said in operation["responses"].items() if status < "3"]
    lines.append(
        _table(("answers", "with", ""), ((status, _answer(said), said["description"]) for status, said in answers))
    )
    lines.append(_table(("refuses", "code", "because"), _refusals(operation)))
    return "\n".join(lines)


def _refusals(operation: Mapping[str, Any]) -> Iterable[tuple[str, str, str]]:
    for status, said in operation["responses"].items():
        for paragraph in said["description"].split("\n\n") if status >= "3" else []:
            if paragraph.startswith("`"):
                code, _, because = paragraph.partition(": ")
                yield status, code, because


def _body(operation: Mapping[str, Any]) -> str:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    return _type(content["schema"]) if content else ""


def _answer(said: Mapping[str, Any]) -> str:
    content = said["content"]
    return _type(content["application/json"]["schema"]) if "application/json" in content else "a page (HTML)"


def _shape(name: str, schema: Mapping[str, Any]) -> str:
    lines = [f"### {name}\n"]
    if "description" in schema:
        lines.append(f"{schema['description']}\n")
    if "enum" in schema:
        lines.append(f"{_type(schema)}\n")
    required = schema.get("required", [])
    rows = [
        (f"`{field}`", _type(one), _needed(field in required), one.get("description", ""))
        for field, one in schema.get("properties", {}).items()
    ]
    lines.append(_table(("field", "type", "always", ""), rows))
    return "\n".join(lines)


def _type(schema: Mapping[str, Any]) -> str:
    """A schema in a few words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(_type(one) for one in schema["anyOf"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return ", ".join(f"`{one}`" for one in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}"
    words = [str(schema.get("format") or schema.get("type") or "anything")]
    low, high = (schema.get(f"{end}imum", schema.get(f"{end}Length")) for end in ("min", "max"))
    words += [f"from {low:g}"] if low is not None else []
    words += [f"to {high:g}"] if high is not None else []
    words += ["characters"] if "maxLength" in schema or "minLength" in schema else []
    words += [f"`{schema['pattern']}`".replace("|", "\\|")] if "pattern" in schema else []
    return " ".join(words)


def _needed(required: object) -> str:
    return "yes" if required else "no"


def _link(method: str, path: str) -> str:
    anchor = f"{method} {path}".lower()
    kept = "".join(letter for letter in anchor if letter.isalnum() or letter in " -_")
    return f"[`{method.upper()} {path}`](#{kept.replace(' ', '-')})"


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A table; nothing where it has no rows."""
    body = ["| " + " | ".join(row) + " |" for row in rows]
    if not body:
        return ""
    return "\n".join(["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads), *body, ""])
