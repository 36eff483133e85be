"""Points used on an order, in the reference: what is due back of them is a function of the order's joined facts.

    cancelled        all of it; open holds are voided
    refunds          of each redemption or captured hold floor(spent x part), the part of the order given back so far

The part is counted again from ``docs/decisions`` and the contract: a refund with lines by its goods out of the order's
goods less discounts, one without by its total out of what was paid in money, each at most the whole, all together too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from fractions import Fraction

from jifen.domain.orders import LineKind, Paid, Refund
from local.simulation.awarding import Order
from local.simulation.history import Declined
from local.simulation.purse import Parts, Purse
from local.simulation.spent import Spent

USED_MAX, OF_ONE_MAX = 20, 5
HOUR_S = 3_600

PutBack = Callable[[Spent, int, Purse], tuple[Spent, Parts]]
"""Puts points of a redemption back until so many have gone."""


def part_given_back(order: Order) -> Fraction:
    """How much of an order was given back, from nothing to all of it."""
    if order.cancelled:
        return Fraction(1)
    if order.paid is None:
        return Fraction(0)
    parts = [_part_of(refund, order.paid) for refund in order.refunds.values()]
    return min(Fraction(1), sum(parts, Fraction(0)))


def _part_of(refund: Refund, paid: Paid) -> Fraction:
    if refund.currency != paid.currency:
        return Fraction(0)
    priced = {kind: sum(line.amount_minor for line in paid.lines if line.kind is kind) for kind in LineKind}
    counting = [LineKind.GOODS]
    if priced[LineKind.GOODS] == 0:
        counting = [kind for kind in LineKind if kind not in {LineKind.DISCOUNT, LineKind.POINTS}]
    as_priced = sum(priced[kind] for kind in counting)
    price = as_priced - priced[LineKind.DISCOUNT]
    price = price if price > 0 else as_priced
    if refund.lines:
        back, out_of = sum(_amounts(refund, paid, counting)), price
    else:
        money = price - priced[LineKind.POINTS]
        back, out_of = refund.total_minor or 0, money if money > 0 else price
    return min(Fraction(1), Fraction(back, out_of)) if out_of else Fraction(0)


def _amounts(refund: Refund, paid: Paid, counting: Iterable[LineKind]) -> Iterable[int]:
    """What the lines of a refund give back, of the kinds that count."""
    kinds = {line.number: line.kind for line in paid.lines}
    for line in refund.lines:
        named = None if line.orig_line is None else kinds.get(line.orig_line)
        if (line.kind or named or LineKind.GOODS) in counting:
            yield line.amount_minor


def due(order: Order, spent: int) -> int:
    """How many of the points spent on an order are due back in all."""
    return math.floor(spent * part_given_back(order))


def follow(name: str, known: Spent, order: Order, purse: Callable[[], Purse], put_back: PutBack) -> Spent:
    """Bring one redemption or hold to what its order calls for; ``purse`` gives its account as time has left it."""
    if known.status == "AUTHORIZED":
        if order.cancelled and name in (account := purse()).holds:
            account.release(name)
            return replace(known, status="VOIDED")
        return known
    owed = due(order, known.spent)
    return put_back(known, owed, purse())[0] if owed > known.restored else known


def with_use(order: Order, name: str, spent: Mapping[str, Spent], now: datetime) -> Order:
    """The order once it knows that what is called ``name`` pays a part of it."""
    if part_given_back(order) == 1:
        raise Declined("ORDER_CANCELLED")
    names = order.used
    owners = list(map(_owner, names))
    if len(names) >= USED_MAX or any(owners.count(one) >= OF_ONE_MAX for one in owners):
        names = tuple(one for one in names if not _over(spent[one], now))
    if len(names) >= USED_MAX:
        raise Declined("LIMIT_REACHED", limit="redemptions_of_one_order")
    if list(map(_owner, names)).count(_owner(name)) >= OF_ONE_MAX:
        raise Declined("LIMIT_REACHED", limit="redemptions_of_one_order_and_member")
    return replace(order, used=(*names, name))


def _owner(name: str) -> str:
    """Whose it is, out of its id."""
    return name.partition(".")[2].partition(".")[0]


def _over(known: Spent, now: datetime) -> bool:
    """Whether nothing that happens to the order can touch it any more."""
    if known.status == "VOIDED":
        return True
    if known.status == "AUTHORIZED":
        assert known.expires_at is not None
        return (now - known.expires_at).total_seconds() >= HOUR_S
    return known.restored == known.spent
