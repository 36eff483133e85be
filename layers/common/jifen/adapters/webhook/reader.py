"""Reading JSON that a stranger wrote: every fault by the path of its field, no exception but ours, no float.

Ids are texts. Where a platform writes them as numbers they are read as whole ones, digit by digit; of our own senders a
number is refused, because one that keeps ids as numbers will one day send 2^53 + 1. A number with a fraction stays the
text it was (:class:`Fraction`), so that 19.99 never is 19.989999.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NoReturn

from jifen.domain.calendar import parse_instant
from jifen.domain.errors import Fault, MalformedEvent
from jifen.domain.ids import valid_id
from jifen.domain.money import AMOUNT_MINOR_MAX, CURRENCIES, to_minor

TEXT_MAX = 256
"""Characters of a sku or category."""

PLATFORM_ID_MAX = 64
"""Characters of an id that a platform gives: with a word and a revision it still makes an event id."""

AHEAD = timedelta(hours=24)
"""How far an event may lie in the future of our clock."""

FAULTS_MAX = 50

_REQUIRED: Any = ...
_AMOUNT = re.compile(r"(-?)([0-9]{1,15})(?:\.([0-9]{1,20}))?")


@dataclass(frozen=True, slots=True)
class Fraction:
    """A JSON number that is not a whole one, as it was written."""

    text: str


def load_json(body: bytes) -> dict[str, Any]:
    """The JSON object in ``body``.

    Raises:
        MalformedEvent: not UTF-8, not JSON, not an object, nested too deeply, NaN, or a number of thousands of digits.
    """
    try:
        data = json.loads(body.decode("utf-8"), parse_constant=_refuse_constant, parse_float=Fraction)
    except UnicodeDecodeError as wrong:
        raise MalformedEvent([Fault("body", "is not UTF-8")]) from wrong
    except RecursionError as wrong:
        raise MalformedEvent([Fault("body", "is nested too deeply")]) from wrong
    except ValueError as wrong:
        raise MalformedEvent([Fault("body", "is not JSON")]) from wrong
    if not isinstance(data, dict):
        raise MalformedEvent([Fault("body", "is not a JSON object")])
    return data


def _refuse_constant(_name: str) -> NoReturn:
    message = "not a number"
    raise ValueError(message)


class Reader:
    """Reads the fields of one JSON object and collects what is wrong with them.

    A default of ``...`` means that the field must be there. A faulty field reads as something harmless, so that one
    pass names every fault; the caller looks at ``faults`` before it uses anything.
    """

    def __init__(self, data: dict[str, Any], path: str = "", faults: list[Fault] | None = None) -> None:
        self._data = data
        self._path = path
        self.faults: list[Fault] = [] if faults is None else faults

    def fault(self, field: str, problem: str) -> None:
        """Note a fault."""
        if len(self.faults) < FAULTS_MAX:
            self.faults.append(Fault(f"{self._path}{field}", problem))

    def whole(self, field: str, low: int, high: int, default: Any = _REQUIRED) -> Any:
        """A whole number from ``low`` to ``high``."""
        value = self._data.get(field)
        if value is None and default is not _REQUIRED:
            return default
        if type(value) is not int or not low <= value <= high:
            self.fault(field, f"is not a whole number from {low} to {high}")
            return low
        return value

    def identifier(self, field: str, *, optional: bool = False, present: bool = False) -> str | None:
        """An id as text; None where it is null and may be. ``present``: null must be said, not left out."""
        value = self._data.get(field)
        if value is None and optional and (field in self._data or not present):
            return None
        if not valid_id(value):
            problem = "is missing" if field not in self._data else "is not a text of 1 to 128 characters"
            self.fault(field, problem)
            return None
        return str(value)

    def platform_id(self, field: str, *, optional: bool = False) -> str | None:
        """An id that a platform writes as a whole number, or as text; as text. None where it is null and may be."""
        value = self._data.get(field)
        if value is None and optional:
            return None
        text = str(value) if type(value) is int and value > 0 else value
        if not valid_id(text) or len(str(text)) > PLATFORM_ID_MAX:
            problem = f"is neither a whole number above 0 nor an id as text of at most {PLATFORM_ID_MAX} characters"
            self.fault(field, "is missing" if value is None else problem)
            return None
        return str(text)

    def amount(self, field: str, default: Decimal | None = None) -> Decimal:
        """An amount in units of its currency, written as text or as a number; ``default`` where it is null."""
        value = self._data.get(field)
        if value is None and default is not None:
            return default
        text = value.text if isinstance(value, Fraction) else str(value) if type(value) is int else value
        if not isinstance(text, str) or not _AMOUNT.fullmatch(text):
            self.fault(field, "is missing" if value is None else "is not an amount such as 19.99")
            return Decimal(0)
        return Decimal(text)

    def minor(self, field: str, amount: Decimal, currency: str) -> int:
        """``amount`` in whole minor units, rounded half up; below 0 is a fault of ``field``."""
        minor = to_minor(amount, currency)
        if not 0 <= minor <= AMOUNT_MINOR_MAX:
            self.fault(field, "is below 0 or more than any shop sells")
            return 0
        return minor

    def flag(self, field: str) -> bool:
        """True or false; false where it is null."""
        value = self._data.get(field)
        if value is not None and type(value) is not bool:
            self.fault(field, "is neither true nor false")
        return value is True

    def has(self, field: str) -> bool:
        """Whether the field is there and not null."""
        return self._data.get(field) is not None

    def part(self, field: str) -> Reader | None:
        """The object in ``field``, with a reader of its own that notes faults here; None where it is null."""
        value = self._data.get(field)
        if isinstance(value, dict):
            return Reader(value, f"{self._path}{field}.", self.faults)
        if value is not None:
            self.fault(field, "is not an object")
        return None

    def text(self, field: str) -> str:
        """A short text; the empty text where it is null or left out."""
        value = self._data.get(field)
        if value is None:
            return ""
        if not isinstance(value, str) or len(value) > TEXT_MAX or not _encodable(value):
            self.fault(field, f"is not a text of at most {TEXT_MAX} characters")
            return ""
        return value

    def label(self, *fields: str) -> str:
        """The first of these texts that says something, cut to ``TEXT_MAX`` characters; the empty text where none does.

        For names that a shop's staff typed and nobody promised to keep short.
        """
        for field in fields:
            value = self._data.get(field)
            if value is not None and (not isinstance(value, str) or not _encodable(value)):
                self.fault(field, "is not a text")
                return ""
            if value and value.strip():
                return str(value[:TEXT_MAX])
        return ""

    def choice(self, field: str, options: Sequence[str], default: str | None) -> Any:
        """One of ``options``."""
        value = self._data.get(field)
        if value is None:
            return default
        if not isinstance(value, str) or value not in options:
            self.fault(field, f"is none of {', '.join(options)}")
            return options[0]
        return value

    def currency(self, field: str) -> str:
        """An ISO 4217 code."""
        value = self._data.get(field)
        if not isinstance(value, str) or value not in CURRENCIES:
            self.fault(field, "is missing" if value is None else "is not an ISO 4217 currency code such as CNY")
            return ""
        return value

    def instant(self, field: str, now: datetime, *, is_gmt: bool = False) -> datetime:
        """An RFC 3339 instant with an offset, not more than a day ahead of ``now``; as UTC.

        ``is_gmt``: the platform leaves the offset out and means UTC.
        """
        value = self._data.get(field)
        if value is None:
            self.fault(field, "is missing")
            return now
        try:
            found = parse_instant(f"{value}Z" if is_gmt and isinstance(value, str) else value)
        except ValueError:
            self.fault(field, "is not an RFC 3339 instant with an offset, from 1970 on: 2026-11-22T09:30:00+08:00")
            return now
        if found > now + AHEAD:
            self.fault(field, "lies more than a day in the future")
            return now
        return found

    def rows(self, field: str, most: int, *, required: bool) -> list[Reader]:
        """A list of objects, each with a reader of its own that notes faults here."""
        value = self._data.get(field)
        if value is None and not required:
            return []
        if not isinstance(value, list) or len(value) > most:
            self.fault(field, "is missing" if value is None else f"is not a list of at most {most}")
            return []
        readers: list[Reader] = []
        for index, row in enumerate(value):
            if isinstance(row, dict):
                readers.append(Reader(row, f"{self._path}{field}[{index}].", self.faults))
            else:
                self.fault(f"{field}[{index}]", "is not an object")
        return readers

    def check_sum(self, field: str, amounts: Sequence[int]) -> None:
        """The amounts together must be believable too."""
        if sum(amounts) > AMOUNT_MINOR_MAX:
            self.fault(field, "add up to more than any shop sells")


def _encodable(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)
