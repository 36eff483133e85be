"""JSON Schema of the shapes in :mod:`jifen.domain.views`, made from their types.

Our own few lines, because pydantic reads the standard library's TypedDict on Python 3.12 and later only, and a handler
must not pay for schemas that only the document needs.
"""

from __future__ import annotations

import inspect
import types
import typing
from typing import Annotated, Any, NotRequired

_PLAIN: dict[Any, dict[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    bool: {"type": "boolean"},
    None: {"type": "null"},
    type(None): {"type": "null"},
    object: {},
}


def name_of(shape: type) -> str:
    """The name of a shape in the document: ``MemberView`` is ``Member``."""
    return shape.__name__.removesuffix("View")


def schema_of(shape: Any, into: dict[str, Any]) -> dict[str, Any]:
    """The schema of a type; TypedDicts go ``into`` the components by name and are referred to.

    Raises:
        TypeError: a type that no view may have.
    """
    if typing.is_typeddict(shape):
        name = name_of(shape)
        if name not in into:
            into[name] = {}  # a shape may hold itself
            into[name] = _object(shape, into)
        return {"$ref": f"#/components/schemas/{name}"}
    origin, arguments = typing.get_origin(shape), typing.get_args(shape)
    if origin is Annotated:
        return {**schema_of(arguments[0], into), "format": arguments[1]}
    if origin in {types.UnionType, typing.Union}:
        return {"anyOf": [schema_of(one, into) for one in arguments]}
    if origin is list:
        return {"type": "array", "items": schema_of(arguments[0], into)}
    if origin is dict:
        return {"type": "object", "additionalProperties": schema_of(arguments[1], into)}
    if shape in _PLAIN:
        return dict(_PLAIN[shape])
    message = f"{shape} is no type of a view"
    raise TypeError(message)


def _object(shape: type, into: dict[str, Any]) -> dict[str, Any]:
    hints = typing.get_type_hints(shape, include_extras=True)
    plain = {
        name: typing.get_args(hint)[0] if typing.get_origin(hint) is NotRequired else hint
        for name, hint in hints.items()
    }
    required = [name for name, hint in hints.items() if typing.get_origin(hint) is not NotRequired]
    schema: dict[str, Any] = {
        "type": "object",
        "description": inspect.cleandoc(shape.__doc__ or ""),
        "properties": {name: schema_of(hint, into) for name, hint in plain.items()},
    }
    return schema | ({"required": required} if required else {})
