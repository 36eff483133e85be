"""Earning rules: how many points an amount is worth.

Each rule rounds once, over the whole of what the buyer kept; several rules add up. Whole numbers only: a rate is
``points`` per ``per_minor`` minor units, so 1 point per 10 yuan is ``{"points": 1, "per_minor": 1000}``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from jifen.domain.orders import Order, kept_minor
from jifen.domain.program import POINTS_MAX, Program, RateRule, Rounding


def points_of(rule: RateRule, amount_minor: int) -> int:
    """The points that ``rule`` gives for ``amount_minor`` (>= 0)."""
    exact = rule.points * amount_minor
    match rule.rounding:
        case Rounding.FLOOR:
            return exact // rule.per_minor
        case Rounding.CEIL:
            return -(-exact // rule.per_minor)
        case Rounding.HALF_UP:
            return (2 * exact + rule.per_minor) // (2 * rule.per_minor)


def entitled(order: Order, rules: Iterable[RateRule], currency: str | None) -> int:
    """The points that the order is worth in its present state; at most ``POINTS_MAX``.

    A guest's order, an order not paid yet and an order in another currency than the program's are worth nothing.
    """
    paid = order.paid
    if paid is None or paid.member is None or (currency is not None and paid.currency != currency):
        return 0
    kept = kept_minor(order)
    return min(POINTS_MAX, sum(points_of(rule, kept) for rule in rules))


def explain(order: Order, rules: Iterable[RateRule]) -> tuple[Mapping[str, Any], ...]:
    """One line per rule: what it was applied to and what it gave."""
    kept = kept_minor(order)
    return tuple(
        {
            "rule": rule.id,
            "kept_minor": kept,
            "rate": f"{rule.points} per {rule.per_minor}",
            "rounding": str(rule.rounding),
            "points": points_of(rule, kept),
        }
        for rule in rules
    )


def why_nothing(order: Order, program: Program) -> str | None:
    """The reason why an order cannot earn whatever it is worth, or None."""
    if order.paid is None:
        return "NOT_PAID_YET"
    if order.paid.member is None:
        return "GUEST"
    if program.currency is not None and order.paid.currency != program.currency:
        return "CURRENCY_NOT_OF_PROGRAM"
    return None
