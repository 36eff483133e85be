"""Frozen dataclasses as plain JSON values and back, by the types of their fields.

    datetime  RFC 3339        date   ISO day          tuple    list        None and what is its default: left out
    enum      its value       lots   [[points, expires_on, active_from?], …]

For documents that a few functions use; what is read on every order is written out in :mod:`jifen.store.codec`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import date, datetime
from enum import StrEnum
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from jifen.domain.entries import changes_plain, instant_text
from jifen.domain.lots import LotChange

D = TypeVar("D")


def out(value: Any) -> Any:  # noqa: PLR0911 - one case for each kind
    """A value as JSON has it.

    Raises:
        TypeError: it is of a kind that is not kept.
    """
    if value is None or isinstance(value, (str, int)):
        return str(value) if isinstance(value, StrEnum) else value
    if isinstance(value, datetime):
        return instant_text(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, LotChange):
        (row,) = changes_plain((value,))
        return row if row[2] else row[:2]
    if isinstance(value, Mapping):
        return {key: out(part) for key, part in value.items()}
    if isinstance(value, (tuple, list)):
        return [out(part) for part in value]
    if is_dataclass(value):
        return row_out(value)
    message = f"{value!r} is not kept"
    raise TypeError(message)


def row_out(document: Any) -> dict[str, Any]:
    """The fields of a dataclass that are not what they are anyhow."""
    return {
        field.name: out(value)
        for field in fields(document)
        if (value := getattr(document, field.name)) != _usual(field)
    }


def _usual(field: Field[Any]) -> Any:
    if field.default is not MISSING:
        return field.default
    return field.default_factory() if field.default_factory is not MISSING else MISSING


def row_in(cls: type[D], row: Mapping[str, Any]) -> D:
    """The dataclass behind :func:`row_out`."""
    readers = _readers(cast("type", cls))
    return cls(**{name: readers[name](value) for name, value in row.items()})


@cache
def _readers(cls: type) -> Mapping[str, Callable[[Any], Any]]:
    hints = get_type_hints(cls)
    return {field.name: _reader(hints[field.name]) for field in fields(cls)}


def _reader(kind: Any) -> Callable[[Any], Any]:
    """What makes a value of ``kind`` out of plain JSON."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin in {Union, UnionType}:
        (one,) = [part for part in inner if part is not NoneType]
        read = _reader(one)
        return lambda value: None if value is None else read(value)
    if origin is tuple:
        readers = [_reader(part) for part in inner if part is not Ellipsis]
        if Ellipsis in inner:
            return lambda value: tuple(map(readers[0], value))
        return lambda value: tuple(read(part) for read, part in zip(readers, value, strict=True))
    if origin is not None:
        read = _reader(inner[1])
        return lambda value: {key: read(part) for key, part in value.items()}
    return _plain_reader(kind)


def _plain_reader(kind: Any) -> Callable[[Any], Any]:
    if kind is LotChange:
        return _lot_change
    if kind in {date, datetime}:
        return cast("Callable[[Any], Any]", kind.fromisoformat)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return kind
    if is_dataclass(kind):
        return lambda value: row_in(cast("type[Any]", kind), value)
    return lambda value: value


def _lot_change(row: list[Any]) -> LotChange:
    days = [date.fromisoformat(text) if text else None for text in row[1:]]
    return LotChange(row[0], days[0], days[1] if len(days) > 1 else None)
