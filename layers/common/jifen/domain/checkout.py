"""The checkout: how many points can pay for an order, what they take off, and which limit says so.

    caps     of the order, of the member's day, and what is available
      │ the least of them
    steps    down to a whole step
      │
    gates    too few points, or too small a discount, are nothing
      v
    points

Shares are exact; what lies between two points is rounded down, in the shop's favour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import NamedTuple

from jifen.domain import limits as member_limits
from jifen.domain.calendar import day_start
from jifen.domain.errors import Fault, InsufficientPoints, InvalidInput, LimitReached
from jifen.domain.limits import MemberLimit
from jifen.domain.money import CURRENCIES, Money, minor_per_unit
from jifen.domain.orders import Line, LineKind
from jifen.domain.program import Moment, Program, RedemptionTerms
from jifen.domain.rules.model import Per
from jifen.domain.standing import Standing, window_ends

SUBJECT = "checkout"
"""The subject of the counters of a member's day."""

AVAILABLE, ASKED = "available", "asked"
"""The cap that the member's own points are, and the one that a request sets itself."""


class Item(NamedTuple):
    """A line of an order, and what one piece of it costs in minor units."""

    line: Line
    price_minor: Fraction


@dataclass(frozen=True, slots=True)
class Basket:
    """The lines of an order that is about to be paid."""

    currency: str
    items: tuple[Item, ...] = ()


class Bill(NamedTuple):
    """What an order comes to before points, and how much of that points may pay; ``paid_minor`` they pay already."""

    total_minor: int
    payable_minor: Fraction
    paid_minor: int = 0


class Limit(NamedTuple):
    """How many points a limit allows now, and from when all of them again (None: never).

    ``in_all`` is what it allows where a part of that is used, and ``detail`` says it in words.
    """

    name: str
    points: int
    resets_at: datetime | None = None
    detail: str = ""
    in_all: int | None = None

    def refusal(self) -> LimitReached:
        """The refusal that names it."""
        allowed = self.points if self.in_all is None else self.in_all
        return LimitReached(limit=self.name, points=allowed, resets_at=self.resets_at, detail=self.detail)


class Most(NamedTuple):
    """The most points that can be used, and every limit that was looked at, with whether it is one that binds."""

    points: int
    limits: tuple[tuple[Limit, bool], ...]


def counted(terms: RedemptionTerms) -> tuple[MemberLimit, ...]:
    """The limits on a member's day."""
    found = (
        ("times_per_day", member_limits.TIMES, terms.times_per_day),
        ("max_points_per_day", member_limits.POINTS, terms.max_points_per_day),
    )
    return tuple(MemberLimit(name, SUBJECT, Per.DAY, unit, most) for name, unit, most in found if most is not None)


def bill(terms: RedemptionTerms, basket: Basket | None, total: Money | None) -> Bill | None:
    """What an order comes to, and how much of it points may pay; None where neither lines nor a total are named.

    Of lines it is goods less discounts, which lower every line in proportion; a total below that lowers it further.
    Each line may be paid to the share that the program has for it, and what points pay already counts against that.
    """
    usual = Fraction(1) if terms.max_order_share is None else terms.max_order_share
    if basket is None:
        return Bill(total.amount_minor, total.amount_minor * usual) if total else None
    goods, discounts, paid, shared = 0, 0, 0, Fraction()
    for line, price in basket.items:
        if line.kind is LineKind.GOODS:
            goods += line.amount_minor
            shared += line.amount_minor * _share(terms, line, price, usual)
        elif line.kind is LineKind.DISCOUNT:
            discounts += line.amount_minor
        elif line.kind is LineKind.POINTS:
            paid += line.amount_minor
    left = max(0, goods - discounts)
    if total is not None:
        left = min(left, total.amount_minor)
    return Bill(left, shared * left / goods if goods else Fraction(), paid)


def _share(terms: RedemptionTerms, line: Line, price_minor: Fraction, usual: Fraction) -> Fraction:
    """The share of a line that points may pay: that of the first entry it fits."""
    for one in terms.lines:
        if (not one.categories or line.category in one.categories) and price_minor >= one.unit_price_from_minor:
            return one.max_share
    return usual


@dataclass(frozen=True, slots=True)
class Checkout:
    """One order at the checkout, or points that are spent on none.

    Attributes:
        terms: the program's.
        bill: see :func:`bill`.
        currency: of the discount; None where it is not known.
        of_order: whether an order is named, be it by its id alone.
        used: points that pay a part of the order already.
    """

    terms: RedemptionTerms
    bill: Bill | None = None
    currency: str | None = None
    of_order: bool = False
    used: int = 0

    @property
    def _unit(self) -> int:
        assert self.currency is not None, "a bill is in some currency"
        return minor_per_unit(self.currency)

    def discount(self, points: int) -> Money | None:
        """What points take off; None where no currency is known."""
        if self.currency is None:
            return None
        return Money(self.terms.worth.taken_off(points, self._unit), self.currency)

    def caps(self) -> list[Limit]:
        """What the order itself allows."""
        terms, found = self.terms, list[Limit]()
        if terms.needs_order and self.bill is None:
            found.append(Limit("needs_order", 0, None, "Points are taken only for an order whose total is named."))
        if self.bill and self.bill.total_minor < terms.min_order_minor:
            found.append(Limit("min_order_minor", 0, None, f"Orders take points from {terms.min_order_minor} on."))
        if terms.max_points_per_order is not None and self.of_order:
            found.append(Limit("max_points_per_order", max(0, terms.max_points_per_order - self.used)))
        if self.bill:
            found.append(Limit("max_order_share", self._within(self.bill)))
        return found

    def _within(self, known: Bill) -> int:
        """The points that the bill has room for: what pays it already may be named by it, be known to us, or both."""
        named = self.terms.worth.points_within(max(Fraction(), known.payable_minor - known.paid_minor), self._unit)
        return max(0, min(named, self.terms.worth.points_within(known.payable_minor, self._unit) - self.used))

    def gates(self, points: int) -> list[Limit]:
        """The limits that so many points are too few for, or no whole step of."""
        terms, found = self.terms, list[Limit]()
        if over := points % terms.step_points:
            said = f"Points are used in steps of {terms.step_points}."
            found.append(Limit("step_points", points - over, None, said))
        points -= over
        if 0 < points < terms.min_points:
            found.append(Limit("min_points", 0, None, f"At least {terms.min_points} points are used at a time."))
        off = self.discount(points) if terms.min_discount_minor and points else None
        if off is not None and off.amount_minor < terms.min_discount_minor:
            said = f"A discount is at least {terms.min_discount_minor}; this one would be {off.amount_minor}."
            found.append(Limit("min_discount_minor", 0, None, said))
        return found

    def check(self, points: int) -> Money | None:
        """What exactly ``points`` (>= 1) take off.

        Raises:
            LimitReached: naming the limit that does not allow them, and what it does allow.
        """
        for limit in self.caps():
            if points > limit.points:
                raise limit.refusal()
        for limit in self.gates(points):
            raise limit.refusal()
        return self.discount(points)

    def member_caps(self, standing: Standing, available: int, moment: Moment) -> list[Limit]:
        """What the member's day allows, and what there is. How often is a cap only once it is used up."""
        found: list[Limit] = []
        for limit in counted(self.terms):
            ends = window_ends(limit.per, moment.today)
            resets = day_start(ends, moment.zone) if ends else None
            room = member_limits.room(standing, limit, moment)
            if limit.unit == member_limits.POINTS or not room:
                found.append(Limit(limit.name, room, resets, in_all=limit.most))
        return [*found, Limit(AVAILABLE, available)]

    def most(self, caps: Sequence[Limit]) -> Most:
        """The most points that can be used under caps (those of :meth:`caps` among them)."""
        least = max(0, min(limit.points for limit in caps))
        gates = self.gates(least)
        points = min([least, *(limit.points for limit in gates)])
        return Most(points, tuple((limit, limit.points <= least) for limit in (*caps, *gates)))

    def fewest(self, wanted: Money) -> int:
        """The fewest points that could be used and take at least ``wanted`` off.

        Raises:
            InvalidInput: that is in another currency.
        """
        if wanted.currency != self.currency:
            raise InvalidInput([Fault("discount.currency", f"is not {self.currency}")])
        terms = self.terms
        minor = max(wanted.amount_minor, terms.min_discount_minor)
        points = max(terms.worth.points_for(minor, self._unit), terms.min_points)
        return -(-points // terms.step_points) * terms.step_points

    def up_to(self, asked: int, standing: Standing, available: int, moment: Moment) -> int:
        """As many points as can be used, at most ``asked``; never 0.

        Raises:
            LimitReached, InsufficientPoints: not one step of them can.
        """
        caps = [*self.caps(), *self.member_caps(standing, available, moment), Limit(ASKED, asked)]
        found = self.most(caps)
        if found.points:
            return found.points
        least = min(caps, key=lambda limit: limit.points)
        if least.name == AVAILABLE:
            raise InsufficientPoints(asked=asked, available=max(0, available))
        if least.resets_at:  # what it leaves is too little for one step, and will be enough then
            raise least.refusal()
        raise next(limit for limit in (least, *self.gates(least.points)) if not limit.points).refusal()


def checkout(
    program: Program, basket: Basket | None, total: Money | None, *, of_order: bool = False, used: int = 0
) -> Checkout:
    """The checkout of an order: its lines, its total before points, or both.

    Args:
        program: says what points are worth, and the limits.
        basket: the lines, where they are named.
        total: the total, where it is named.
        of_order: whether there is an order though neither is named.
        used: points that pay a part of it already.

    Raises:
        InvalidInput: it is in another currency than the program's, or in none that is in use.
    """
    currency = basket.currency if basket else total.currency if total else program.currency
    named = [("order.currency", basket.currency)] if basket else []
    named += [("order_total.currency", total.currency)] if total else []
    usual = program.currency or currency
    if wrong := [field for field, one in named if one != usual or one not in CURRENCIES]:
        what = program.currency or "an ISO 4217 currency code, one for the whole order"
        raise InvalidInput([Fault(field, f"is not {what}") for field in wrong])
    known = bill(program.redemption, basket, total)
    return Checkout(program.redemption, known, currency, of_order or known is not None, used)
