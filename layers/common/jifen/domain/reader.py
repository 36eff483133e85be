"""Reading what an operator wrote: plain data in, typed values out, and every fault by its path.

    reader = Reader()
    root = reader.root(data, ("expiry", …))          an unknown key is a fault
    days = root.section("expiry", ("days",)).whole("days", 1, 36_500, 365)
    reader.faults                                    [Fault("expiry.days", "is not a whole number from 1 to 36500")]

A value that is refused is replaced by one that is allowed, so that one attempt names all that is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from jifen.domain import calendar
from jifen.domain.errors import Fault, InvalidInput
from jifen.domain.money import CURRENCIES
from jifen.domain.validity import Expiry

_SHARE = r"[01](\.[0-9]{1,9})?"
_FACTOR = r"(0|[1-9][0-9]{0,2})(\.[0-9]{1,3})?"
_NAME = r"[a-z0-9][a-z0-9_.-]{0,63}"

FACTOR_MAX = 100
TEXT_LENGTH_MAX = 128
TEXTS_MAX = 500

UNREAD = "?"
"""Stands for a text that was refused."""


class Reader:
    """The faults found so far."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []

    def fault(self, path: str, problem: str) -> None:
        """Note one fault; the empty path is the program itself."""
        self.faults.append(Fault(path or "program", problem))

    def refuse(self, name: str) -> None:
        """Refuse what was written where it has faults; ``name`` is what it is, as the path of the whole.

        Raises:
            InvalidInput: with every fault by its path.
        """
        if self.faults:
            raise InvalidInput(
                [fault._replace(field=name) if fault.field == "program" else fault for fault in self.faults]
            )

    def root(self, data: object, known: tuple[str, ...]) -> Section:
        """The whole of what was written."""
        return self.section(data, "", known)

    def section(self, data: object, path: str, known: tuple[str, ...] | None) -> Section:
        """The object at ``path``; ``known`` None takes any key."""
        if not isinstance(data, Mapping):
            self.fault(path, "is not an object")
            return Section(self, {}, path)
        section = Section(self, data, path)
        for key in data if known is not None else ():
            if key not in (known or ()):
                section.fault(str(key), f"is not known here; known are {', '.join(known or ())}")
        return section


@dataclass(frozen=True, slots=True)
class Section:
    """One object of what was written, and the path to it."""

    reader: Reader
    data: Mapping[str, Any]
    path: str

    def __contains__(self, key: str) -> bool:
        return key in self.data

    def at(self, key: str) -> str:
        """The path of a key."""
        return f"{self.path}.{key}" if self.path else key

    def fault(self, key: str, problem: str) -> None:
        """Note that the value of a key is wrong."""
        self.reader.fault(self.at(key), problem)

    def section(self, key: str, known: tuple[str, ...] | None) -> Section:
        """The object of a key; an empty one where there is none."""
        return self.reader.section(self.data.get(key, {}), self.at(key), known)

    def sections(self, key: str, most: int, known: tuple[str, ...], *, needed: bool = False) -> list[Section]:
        """The objects of a list, each with its own path."""
        return [
            self.reader.section(item, f"{self.at(key)}[{index}]", known)
            for index, item in enumerate(self.items(key, most, needed=needed))
        ]

    def items(self, key: str, most: int, least: int = 0, *, needed: bool = False) -> list[Any]:
        """A list of ``least`` to ``most`` items; none where it is left out, which is a fault where it is ``needed``."""
        value = self.data.get(key, None if needed else [])
        if not isinstance(value, list) or len(value) > most:
            self.fault(key, f"is not a list of at most {most}")
            return []
        if key in self and len(value) < least:
            self.fault(key, f"is not a list of at least {least}")
        return value

    def item(self, key: str, value: object) -> Section:
        """A value that stands deeper (``key`` is ``days[3]``), so that it is read and refused like any other."""
        return Section(self.reader, {key: value}, self.path)

    def whole(self, key: str, low: int, high: int, default: int | None = None) -> int:
        """A whole number from ``low`` to ``high``; without a ``default`` it must be there."""
        value = self.data.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            self.fault(key, f"is not a whole number from {low} to {high}")
            return low if default is None else default
        return value

    def limit(self, key: str, low: int, high: int) -> int | None:
        """A whole number from ``low`` to ``high``, or None where it is left out or null."""
        return None if self.data.get(key) is None else self.whole(key, low, high, low)

    def flag(self, key: str, *, default: bool) -> bool:
        """True or false."""
        value = self.data.get(key, default)
        if not isinstance(value, bool):
            self.fault(key, "is neither true nor false")
            return default
        return value

    def choice(self, key: str, options: tuple[str, ...], default: str) -> str:
        """One of a few words."""
        value = self.data.get(key, default)
        if not isinstance(value, str) or value not in options:
            self.fault(key, f"is none of {', '.join(options)}")
            return default
        return value

    def name(self, key: str) -> str:
        """A name that must be there."""
        return self.matching(key, _NAME, "is not a name of 1 to 64 characters a-z, 0-9, _ . -")

    def matching(self, key: str, pattern: str, problem: str) -> str:
        """A text of the given form, which must be there."""
        value = self.data.get(key)
        if not isinstance(value, str) or not re.fullmatch(pattern, value, re.ASCII):
            self.fault(key, problem)
            return UNREAD
        return value

    def text(self, key: str) -> str:
        """A few words for people; none where it is left out."""
        value = self.data.get(key, "")
        if not isinstance(value, str) or len(value) > TEXT_LENGTH_MAX or not _encodable(value):
            self.fault(key, f"is not a text of at most {TEXT_LENGTH_MAX} characters")
            return ""
        return value

    def texts(self, key: str, least: int = 0) -> tuple[str, ...]:
        """A list of texts, none of them empty; none where it is left out."""
        found: list[str] = []
        for index, value in enumerate(self.items(key, TEXTS_MAX, least)):
            name = f"{key}[{index}]"
            item = self.item(name, value)
            if value == "":
                item.fault(name, "is empty")
            found.append(item.text(name))
        return tuple(found)

    def share(self, key: str) -> Fraction | None:
        """An exact share from 0 to 1 (text with at most nine decimals); None where it is left out, null or refused."""
        value = self.data.get(key)
        if value is None:
            return None
        share = Fraction(value) if isinstance(value, str) and re.fullmatch(_SHARE, value, re.ASCII) else None
        if share is None or share > 1:
            self.fault(key, 'is not a decimal text from "0" to "1", such as "0.30"')
            return None
        return share

    def factor(self, key: str) -> Fraction:
        """An exact factor from 0 to 100 (text with at most three decimals), which must be there."""
        value = self.data.get(key)
        factor = Fraction(value) if isinstance(value, str) and re.fullmatch(_FACTOR, value, re.ASCII) else None
        if factor is None or factor > FACTOR_MAX:
            self.fault(key, f'is not a decimal text from "0" to "{FACTOR_MAX}" with at most 3 decimals, such as "1.2"')
            return Fraction(1)
        return factor

    def zone(self, key: str) -> ZoneInfo:
        """A time zone by its IANA name; UTC where it is left out."""
        value = self.data.get(key, "UTC")
        try:
            return ZoneInfo(value) if isinstance(value, str) and value else self._no_zone(key)
        except (KeyError, ValueError, OSError):  # unknown zone, a path, a folder of the zone database
            return self._no_zone(key)

    def _no_zone(self, key: str) -> ZoneInfo:
        self.fault(key, "is not a time zone name such as Asia/Shanghai")
        return ZoneInfo("UTC")

    def currency(self, key: str) -> str | None:
        """An ISO 4217 code; None where it is left out or null."""
        value = self.data.get(key)
        if value is None:
            return None
        if not isinstance(value, str) or value not in CURRENCIES:
            self.fault(key, "is not an ISO 4217 currency code such as CNY")
            return None
        return value

    def month_day(self, key: str, default: tuple[int, int]) -> tuple[int, int]:
        """A day of any year, ``12-31``, as (month, day)."""
        value = self.data.get(key)
        if value is None:
            return default
        try:
            day = datetime.strptime(f"2000-{value if isinstance(value, str) else '?'}", "%Y-%m-%d").replace(tzinfo=UTC)
        except ValueError:
            self.fault(key, "is not a day of the year such as 12-31")
            return default
        return (day.month, day.day)

    def day(self, key: str) -> date:
        """A day, ``2026-11-26``, which must be there."""
        value = self.data.get(key)
        try:
            if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value, re.ASCII):
                found = date.fromisoformat(value)
                if calendar.EARLIEST.date() <= found < calendar.LATEST.date():
                    return found
        except ValueError:
            pass
        self.fault(key, "is not a day such as 2026-11-26")
        return calendar.EARLIEST.date()

    def expiry(self, key: str) -> Expiry:
        """How long points live; the usual year where it is left out."""
        section = self.section(key, ("policy", "days", "months", "round_up_to", "month_day", "years"))
        default = Expiry()
        policy = section.choice("policy", ("never", "days", "months", "fixed_date"), default.policy)
        return Expiry(
            policy=policy,
            days=section.whole("days", 1, 36_500, default.days),
            months=section.whole("months", 1, 1_200, default.months),
            round_up_to=section.choice(
                "round_up_to", calendar.ROUNDINGS, "month_end" if policy == "months" else "none"
            ),
            month_day=section.month_day("month_day", default.month_day),
            years=section.whole("years", 0, 100, default.years),
        )


def decimal(share: Fraction) -> str:
    """A share of at most nine decimals, written exactly: 0.9, 1; what has more is cut there."""
    whole, rest = divmod(share.numerator * 10**9 // share.denominator, 10**9)
    return f"{whole}.{rest:09d}".rstrip("0").rstrip(".")


def _encodable(text: str) -> bool:
    """Whether it can be written down: half a surrogate pair cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
