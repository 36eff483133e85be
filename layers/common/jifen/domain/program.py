"""The program: rules, time zone, currency and policies of one deployment, read from plain data with every fault named.

``{}`` is a program. An unknown key is a fault, not a shrug: a misspelt ``expirey`` must never silently mean "default".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from fractions import Fraction
from zoneinfo import ZoneInfo

from jifen.domain import calendar
from jifen.domain.errors import Fault, InvalidProgram
from jifen.domain.money import AMOUNT_MINOR_MAX, CURRENCIES

_SHARE = re.compile(r"[01](\.[0-9]{1,9})?", re.ASCII)

POINTS_MAX = 10**12
"""The most points one request may name and one order may earn."""


class Rounding(StrEnum):
    """How a fraction of a point is settled, once per order and rule."""

    FLOOR = "floor"
    HALF_UP = "half_up"
    CEIL = "ceil"


class ClawbackPolicy(StrEnum):
    """What happens to the part of a clawback that the account cannot give back.

    ``debt``: owed, and shown as ``debt``; the next credits pay it. ``negative``: owed in the same way, shown as an
    ``available`` below zero. ``clamp``: forgiven.
    """

    DEBT = "debt"
    CLAMP = "clamp"
    NEGATIVE = "negative"


@dataclass(frozen=True, slots=True)
class Moment:
    """When a decision is made: ``now`` decides, ``recorded_at`` is written down, ``today`` is the day in ``zone``."""

    now: datetime
    recorded_at: datetime
    today: date
    zone: ZoneInfo


@dataclass(frozen=True, slots=True)
class RateRule:
    """``points`` for every ``per_minor`` of the amount that is kept, rounded once."""

    id: str
    points: int
    per_minor: int
    rounding: Rounding = Rounding.FLOOR


@dataclass(frozen=True, slots=True)
class Expiry:
    """How long points live. ``policy`` is never, days, months or fixed_date."""

    policy: str = "months"
    days: int = 365
    months: int = 12
    round_up_to: str = "month_end"
    month_day: tuple[int, int] = (12, 31)
    years: int = 0

    def last_valid_day(self, earned_on: date) -> date | None:
        """The last day on which points earned on ``earned_on`` can be spent; None for ever."""
        match self.policy:
            case "never":
                return None
            case "fixed_date":
                return calendar.next_month_day(earned_on, *self.month_day, self.years)
            case "days":
                return calendar.round_up(earned_on + timedelta(days=self.days), self.round_up_to)
            case _:
                return calendar.round_up(calendar.add_months(earned_on, self.months), self.round_up_to)


@dataclass(frozen=True, slots=True)
class RedemptionTerms:
    """What points are worth at the checkout. A limit that is None does not exist."""

    points_per_unit: int = 100
    max_order_share: Fraction | None = None
    max_points_per_order: int | None = None


@dataclass(frozen=True, slots=True)
class HoldTerms:
    """How long a hold lives when nobody says, and at most, in seconds."""

    expires_in_s: int = 900
    max_expires_in_s: int = 30 * 86_400


_UTC = ZoneInfo("UTC")


@dataclass(frozen=True, slots=True)
class Program:
    """One deployment's rules and policies. ``currency`` None takes any currency."""

    zone: ZoneInfo = _UTC
    currency: str | None = None
    rules: tuple[RateRule, ...] = (RateRule("base", points=1, per_minor=100),)
    expiry: Expiry = Expiry()
    clawback: ClawbackPolicy = ClawbackPolicy.DEBT
    redemption: RedemptionTerms = RedemptionTerms()
    holds: HoldTerms = HoldTerms()
    lead_days: tuple[int, ...] = (30, 7, 3)

    def moment(self, now: datetime, recorded_at: datetime | None = None) -> Moment:
        """``now`` with its day in the program's zone; ``recorded_at`` when the wall clock says something else."""
        return Moment(now, recorded_at or now, calendar.local_day(now, self.zone), self.zone)


def parse_program(data: object) -> Program:
    """Read a program file.

    Args:
        data: what ``json.loads`` made of it.

    Raises:
        InvalidProgram: with every fault by its path.
    """
    reader = _Reader()
    root = reader.section(
        data, "", ("time_zone", "currency", "earning", "expiry", "clawback", "redemption", "holds", "reminders")
    )
    program = Program(
        zone=reader.zone(root, "time_zone"),
        currency=reader.currency(root, "currency"),
        rules=_rules(reader, root),
        expiry=_expiry(reader, root),
        clawback=ClawbackPolicy(reader.choice(root, "clawback", "clawback", tuple(ClawbackPolicy), "debt")),
        redemption=_redemption(reader, root),
        holds=_holds(reader, root),
        lead_days=_leads(reader, root),
    )
    if reader.faults:
        raise InvalidProgram(reader.faults)
    return program


def _rules(reader: _Reader, root: Mapping[str, object]) -> tuple[RateRule, ...]:
    earning = reader.section(root.get("earning", {}), "earning", ("rules",))
    if "rules" not in earning:
        return Program().rules
    rules: list[RateRule] = []
    for index, item in enumerate(reader.items(earning["rules"], "earning.rules", 100)):
        path = f"earning.rules[{index}]"
        rule = reader.section(item, path, ("id", "on", "rate", "rounding"))
        reader.choice(rule, "on", f"{path}.on", ("order.paid",), "order.paid")
        rate = reader.section(rule.get("rate", {}), f"{path}.rate", ("points", "per_minor"))
        rounding = Rounding(reader.choice(rule, "rounding", f"{path}.rounding", tuple(Rounding), "floor"))
        points = reader.whole(rate, "points", f"{path}.rate.points", 0, 1_000_000, 1)
        per_minor = reader.whole(rate, "per_minor", f"{path}.rate.per_minor", 1, AMOUNT_MINOR_MAX, 100)
        rules.append(RateRule(reader.name(rule, "id", f"{path}.id"), points, per_minor, rounding))
    if len({rule.id for rule in rules}) != len(rules):
        reader.fault("earning.rules", "two rules have the same id")
    return tuple(rules)


def _expiry(reader: _Reader, root: Mapping[str, object]) -> Expiry:
    keys = ("policy", "days", "months", "round_up_to", "month_day", "years")
    section = reader.section(root.get("expiry", {}), "expiry", keys)
    default = Expiry()
    policy = reader.choice(
        section, "policy", "expiry.policy", ("never", "days", "months", "fixed_date"), default.policy
    )
    rounding = "month_end" if policy == "months" else "none"
    return Expiry(
        policy=policy,
        days=reader.whole(section, "days", "expiry.days", 1, 36_500, default.days),
        months=reader.whole(section, "months", "expiry.months", 1, 1_200, default.months),
        round_up_to=reader.choice(section, "round_up_to", "expiry.round_up_to", calendar.ROUNDINGS, rounding),
        month_day=reader.month_day(section, "month_day", "expiry.month_day", default.month_day),
        years=reader.whole(section, "years", "expiry.years", 0, 100, default.years),
    )


def _redemption(reader: _Reader, root: Mapping[str, object]) -> RedemptionTerms:
    section = reader.section(
        root.get("redemption", {}), "redemption", ("points_per_unit", "max_order_share", "max_points_per_order")
    )
    cap = section.get("max_points_per_order")
    share = section.get("max_order_share")
    path = "redemption.max_points_per_order"
    return RedemptionTerms(
        points_per_unit=reader.whole(section, "points_per_unit", "redemption.points_per_unit", 1, 10**9, 100),
        max_order_share=None if share is None else reader.share(share, "redemption.max_order_share"),
        max_points_per_order=None
        if cap is None
        else reader.whole(section, "max_points_per_order", path, 0, POINTS_MAX, 0),
    )


def _holds(reader: _Reader, root: Mapping[str, object]) -> HoldTerms:
    section = reader.section(root.get("holds", {}), "holds", ("expires_in_s", "max_expires_in_s"))
    default = HoldTerms()
    longest = reader.whole(
        section, "max_expires_in_s", "holds.max_expires_in_s", 1, 366 * 86_400, default.max_expires_in_s
    )
    usual = reader.whole(
        section, "expires_in_s", "holds.expires_in_s", 1, 366 * 86_400, min(default.expires_in_s, longest)
    )
    if usual > longest:
        reader.fault("holds.expires_in_s", "is above holds.max_expires_in_s")
    return HoldTerms(usual, longest)


def _leads(reader: _Reader, root: Mapping[str, object]) -> tuple[int, ...]:
    section = reader.section(root.get("reminders", {}), "reminders", ("lead_days",))
    if "lead_days" not in section:
        return Program().lead_days
    leads = [
        reader.whole({"lead": item}, "lead", f"reminders.lead_days[{index}]", 0, 3_650, 0)
        for index, item in enumerate(reader.items(section["lead_days"], "reminders.lead_days", 20))
    ]
    if len(set(leads)) != len(leads):
        reader.fault("reminders.lead_days", "a lead is named twice")
    return tuple(sorted(leads, reverse=True))


class _Reader:
    """Collects faults while the sections are read, so that one attempt names them all."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []

    def fault(self, path: str, problem: str) -> None:
        self.faults.append(Fault(path or "program", problem))

    def section(self, data: object, path: str, known: tuple[str, ...]) -> Mapping[str, object]:
        if not isinstance(data, Mapping):
            self.fault(path, "is not an object")
            return {}
        for key in data:
            if key not in known:
                self.fault(f"{path}.{key}" if path else str(key), f"is not known here; known are {', '.join(known)}")
        return data

    def items(self, data: object, path: str, most: int) -> list[object]:
        if not isinstance(data, list) or len(data) > most:
            self.fault(path, f"is not a list of at most {most}")
            return []
        return data

    def whole(self, section: Mapping[str, object], key: str, path: str, low: int, high: int, default: int) -> int:
        value = section.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            self.fault(path, f"is not a whole number from {low} to {high}")
            return default
        return value

    def choice(self, section: Mapping[str, object], key: str, path: str, options: tuple[str, ...], default: str) -> str:
        value = section.get(key, default)
        if not isinstance(value, str) or value not in options:
            self.fault(path, f"is none of {', '.join(options)}")
            return default
        return value

    def name(self, section: Mapping[str, object], key: str, path: str) -> str:
        value = section.get(key)
        if not isinstance(value, str) or not re.fullmatch(r"[a-z0-9][a-z0-9_.-]{0,63}", value):
            self.fault(path, "is not a name of 1 to 64 characters a-z, 0-9, _ . -")
            return "?"
        return value

    def zone(self, section: Mapping[str, object], key: str) -> ZoneInfo:
        value = section.get(key, "UTC")
        try:
            return ZoneInfo(value) if isinstance(value, str) and value else self._no_zone(key)
        except (KeyError, ValueError, OSError):  # unknown zone, a path, a folder of the zone database
            return self._no_zone(key)

    def _no_zone(self, key: str) -> ZoneInfo:
        self.fault(key, "is not a time zone name such as Asia/Shanghai")
        return ZoneInfo("UTC")

    def currency(self, section: Mapping[str, object], key: str) -> str | None:
        value = section.get(key)
        if value is not None and (not isinstance(value, str) or value not in CURRENCIES):
            self.fault(key, "is not an ISO 4217 currency code such as CNY")
            return None
        return value

    def share(self, value: object, path: str) -> Fraction | None:
        share = Fraction(value) if isinstance(value, str) and _SHARE.fullmatch(value) else None
        if share is None or share > 1:
            self.fault(path, 'is not a decimal text from "0" to "1", such as "0.30"')
            return None
        return share

    def month_day(
        self, section: Mapping[str, object], key: str, path: str, default: tuple[int, int]
    ) -> tuple[int, int]:
        value = section.get(key)
        if value is None:
            return default
        try:
            day = datetime.strptime(f"2000-{value if isinstance(value, str) else '?'}", "%Y-%m-%d").replace(tzinfo=UTC)
        except ValueError:
            self.fault(path, "is not a day of the year such as 12-31")
            return default
        return (day.month, day.day)
