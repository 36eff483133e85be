"""The checkout once more, from the contract: how many points an order takes, and which limit says so.

    the least of   needs_order  min_order_minor  max_points_per_order  max_order_share  the member's day  what there is
      v down to a whole step
    too little?    step_points  min_points  min_discount_minor

Points that are asked for exactly meet the first of these that they are too many or too few for; ``up_to`` takes what
all of them leave.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from typing import Any, NamedTuple

from jifen.domain.checkout import Basket
from jifen.domain.money import CURRENCIES
from jifen.domain.orders import LineKind
from jifen.domain.program import Program
from local.simulation.days import first_instant
from local.simulation.history import Authorize, Declined, Redeem
from local.simulation.memory import Cap, Memory, room, used_more, window
from local.simulation.purse import Parts, Purse, take, take_from

_WITHOUT_DIGITS = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_WITH_THREE_DIGITS = "BHD IQD JOD KWD LYD OMR TND"


def minor_units(currency: str) -> int:
    """Minor units of one unit (ISO 4217)."""
    if currency in _WITHOUT_DIGITS.split():
        return 1
    return 1000 if currency in _WITH_THREE_DIGITS.split() else 100


# Limits on what one member does --------------------------------------------------------------------------------------


class Limit(NamedTuple):
    """At most ``most`` points (or times) of one member in each ``per``; ``name`` is what a refusal calls it."""

    name: str
    cap: Cap

    @classmethod
    def of(cls, name: str, subject: str, per: str, unit: str, most: int) -> Limit:
        """A limit on what ``subject`` names."""
        return cls(name, Cap(f"@{subject}", per, unit, most))

    def uses(self, points: int) -> int:
        """What one use of so many points counts."""
        return points if self.cap.unit == "points" else 1


def resets(per: str, today: date, program: Program) -> str:
    """When a limit in such a stretch allows all of it again."""
    after = {"day": today + timedelta(days=1), "month": (today.replace(day=1) + timedelta(days=32)).replace(day=1)}
    return first_instant(after[per], program.zone).isoformat()


def left(memory: Memory, limit: Limit, today: date) -> int:
    """What a limit leaves today."""
    return room(memory, limit.cap, window(limit.cap.per, today))


def see_room(memory: Memory, limits: Iterable[Limit], points: int, today: date, program: Program) -> None:
    """Decline what is more than one of the limits leaves."""
    for limit in limits:
        if limit.uses(points) > left(memory, limit, today):
            raise Declined("LIMIT_REACHED", limit=limit.name, resets_at=resets(limit.cap.per, today, program))


def count(purse: Purse, limits: Iterable[Limit], points: int, today: date) -> None:
    """Count one use of so many points against each limit."""
    for limit in limits:
        name = window(limit.cap.per, today)
        purse.remember(used_more(purse.memory, limit.cap, name, limit.uses(points), today))


@dataclass(frozen=True, slots=True)
class Proof:
    """Whether a request has shown the points password, where the program asks for it."""

    above: int | None = None
    shown: bool = True

    @property
    def limits(self) -> tuple[Limit, ...]:
        """What the day's spending is counted against."""
        return () if self.above is None else (Limit.of("", "spent", "day", "points", self.above),)

    def see(self, memory: Memory, points: int, today: date) -> None:
        """Decline what needs the password and has not got it."""
        if not self.shown and any(points > left(memory, limit, today) for limit in self.limits):
            raise Declined("POINTS_PASSWORD_REQUIRED")


# The checkout --------------------------------------------------------------------------------------------------------


class Allowed(NamedTuple):
    """So many points are allowed by what is called ``name``, all of it again from ``resets_at`` on."""

    name: str
    points: int
    resets_at: str | None = None

    def declined(self) -> Declined:
        """That it was reached."""
        return Declined("LIMIT_REACHED", limit=self.name, resets_at=self.resets_at)


class Bill(NamedTuple):
    """What an order comes to, and what of it points may pay."""

    total: int
    payable: Fraction


def day_limits(program: Program) -> tuple[Limit, ...]:
    """What one member may use in a day."""
    terms, found = program.redemption, []
    if terms.times_per_day is not None:
        found.append(Limit.of("times_per_day", "checkout", "day", "times", terms.times_per_day))
    if terms.max_points_per_day is not None:
        found.append(Limit.of("max_points_per_day", "checkout", "day", "points", terms.max_points_per_day))
    return tuple(found)


class Till:
    """The checkout of one request; ``used`` are points that pay a part of its order already."""

    def __init__(self, program: Program, step: Redeem | Authorize, used: int) -> None:
        self.program, self.terms, self.step, self.used = program, program.redemption, step, used
        named = [one.currency for one in (step.basket, step.order_total) if one is not None]
        self.currency = program.currency or next(iter(named), None)
        if any(one != self.currency or one not in CURRENCIES for one in named):
            raise Declined("INVALID_REQUEST")
        self.bill = self._bill(step.basket)

    @property
    def _unit(self) -> int:
        assert self.currency is not None
        return self.terms.worth.minor or minor_units(self.currency)

    def off(self, points: int) -> int:
        """What so many points take off, in minor units."""
        return math.floor(Fraction(points * self._unit, self.terms.worth.points))

    def discount(self, points: int) -> Mapping[str, Any] | None:
        """The same as an answer has it; None where no currency is known."""
        return None if self.currency is None else {"amount_minor": self.off(points), "currency": self.currency}

    def _bill(self, basket: Basket | None) -> Bill | None:
        """Goods less discounts, or the total; each line is paid to the share that the first entry it fits says."""
        usual, total = self.terms.max_order_share, self.step.order_total
        usual = Fraction(1) if usual is None else usual
        if basket is None:
            return None if total is None else Bill(total.amount_minor, total.amount_minor * usual)
        by_kind = {kind: [one for one in basket.items if one.line.kind is kind] for kind in LineKind}
        goods, less, paid = (
            sum(one.line.amount_minor for one in by_kind[kind])
            for kind in (LineKind.GOODS, LineKind.DISCOUNT, LineKind.POINTS)
        )
        comes_to = max(goods - less, 0)
        if total is not None:
            comes_to = min(comes_to, total.amount_minor)
        may = Fraction(0)
        for line, price in by_kind[LineKind.GOODS]:
            fitting = [
                one.max_share
                for one in self.terms.lines
                if price >= one.unit_price_from_minor and (not one.categories or line.category in one.categories)
            ]
            may += Fraction(line.amount_minor * comes_to, goods or 1) * (fitting[0] if fitting else usual)
        return Bill(comes_to, max(may - paid, Fraction(0)))

    def of_order(self) -> list[Allowed]:
        """What the order allows, each limit in its turn."""
        terms, bill, found = self.terms, self.bill, []
        if terms.needs_order and bill is None:
            found.append(Allowed("needs_order", 0))
        if bill is not None and bill.total < terms.min_order_minor:
            found.append(Allowed("min_order_minor", 0))
        named = self.step.order_id is not None or bill is not None
        if terms.max_points_per_order is not None and named:
            found.append(Allowed("max_points_per_order", max(0, terms.max_points_per_order - self.used)))
        if bill is not None:
            most = math.floor(bill.payable * terms.worth.points / self._unit)
            found.append(Allowed("max_order_share", max(0, most - self.used)))
        return found

    def too_little(self, points: int) -> list[Allowed]:
        """The limits that so many points do not reach, each with what it lets through of them."""
        terms, found = self.terms, []
        whole = points // terms.step_points * terms.step_points
        if whole != points:
            found.append(Allowed("step_points", whole))
        if 0 < whole < terms.min_points:
            found.append(Allowed("min_points", 0))
        if whole and self.currency is not None and self.off(whole) < terms.min_discount_minor:
            found.append(Allowed("min_discount_minor", 0))
        return found

    def see(self, points: int) -> None:
        """Decline what the order does not allow."""
        for limit in self.of_order():
            if points > limit.points:
                raise limit.declined()
        for limit in self.too_little(points):
            raise limit.declined()

    def up_to(self, asked: int, memory: Memory, available: int, today: date) -> int:
        """As many points as all limits leave, at most those asked for."""
        found = self.of_order()
        for limit in day_limits(self.program):
            room_left = left(memory, limit, today)
            if limit.cap.unit == "points" or not room_left:
                found.append(Allowed(limit.name, room_left, resets(limit.cap.per, today, self.program)))
        found += [Allowed("available", available), Allowed("asked", asked)]
        least = min(one.points for one in found)
        little = self.too_little(least)
        points = min([least, *(one.points for one in little)])
        if points > 0:
            return points
        first = next(one for one in found if one.points == least)
        if first.name == "available":
            raise Declined("INSUFFICIENT_POINTS", available)
        raise next(one for one in (first, *little) if one.points == 0).declined()


def spend(till: Till, account: Purse, proof: Proof, today: date) -> tuple[int, Parts]:
    """Take the points that are asked for out of an account that is as of now; how many, and from which lots."""
    step = till.step
    points = step.points
    if step.up_to:
        points = till.up_to(points, account.memory, account.available(today), today)
    till.see(points)
    return points, debit(account, points, day_limits(till.program), proof, today, till.program)


def debit(account: Purse, points: int, limits: Iterable[Limit], proof: Proof, today: date, program: Program) -> Parts:
    """Take points out of an account that is as of now, and count them against limits: all of it or nothing."""
    limits = tuple(limits)
    see_room(account.memory, limits, points, today, program)
    proof.see(account.memory, points, today)
    available = account.available(today)
    if points > available:
        raise Declined("INSUFFICIENT_POINTS", available)
    count(account, (*limits, *proof.limits), points, today)
    account.posted()
    taken = take(account.usable(today), points)
    for key, part in taken:
        take_from(account.lots, key, part)
    return taken
