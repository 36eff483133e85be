"""Orders: what each has been granted against what its facts are worth, and against the entries of its members."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from local.audit.laws import Violation
from local.audit.rows import Award, Order, read_to_its_end, whole_number
from local.audit.table import Table

_ORDER_POINTS_MAX = 10**12


def judge_orders(table: Table) -> Iterator[Violation]:
    """Every order against its facts, and all of them against the entries that name them."""
    for orders in table.orders.values():
        for order in orders:
            yield from read_to_its_end(order.name, _judge_order(order))
    if table.unreadable_orders:
        return
    posted, granted = _posted(table), _granted(table)
    for name, owner in sorted({*posted, *granted}):
        if posted[name, owner] != granted[name, owner] and table.member(owner).readable:
            said = f"granted and forgiven {granted[name, owner]}" if name in table.orders else "no such order"
            yield Violation("orders", f"{name} of {owner}", f"entries add up to {posted[name, owner]}; {said}")


def _judge_order(order: Order) -> Iterator[Violation]:
    """One order against its own facts."""

    def wrong(detail: str) -> Violation:
        return Violation("granted", order.name, detail)

    award, buyer = order.award, order.paid[0] if order.paid else None
    if award is None or order.paid is None or buyer is None:
        if award is not None or buyer is not None:
            yield wrong(f"the buyer is {buyer}, the award is {award}")
    elif (award.member, award.paid_at) != (buyer, order.paid[1]):
        yield wrong(f"paid by {buyer} at {order.paid[1]}, awarded to {award.member} as of {award.paid_at}")
    else:
        entitled = _entitled(order, order.paid, award)
        if award.granted != entitled:
            yield wrong(f"{award.granted} points for facts worth {entitled}")
        if not 0 <= award.lapsed <= award.granted:
            yield wrong(f"{award.lapsed} of {award.granted} granted points had lapsed")
    if any(points <= 0 for points in order.forgiven.values()):
        yield wrong(f"forgiven {order.forgiven}")
    if len({refund[0] for refund in order.refunds}) != len(order.refunds):
        yield wrong("a refund is there twice")


def _entitled(order: Order, paid: list[Any], award: Award) -> int:
    _, _, currency, _, lines = paid
    if order.cancelled or (award.currency is not None and award.currency != currency):
        return 0
    kinds = {line[0]: line[4] if len(line) > 4 else "goods" for line in lines}  # noqa: PLR2004 - the optional fifth
    signs = {"goods": 1, "discount": -1}
    basis = sum(signs.get(kinds[line[0]], 0) * whole_number(line[2]) for line in lines)
    given_back = 0
    for _, _, refund_currency, total, parts in order.refunds:
        if refund_currency == currency:
            goods = [
                whole_number(amount) for amount, line, kind in parts if (kind or kinds.get(line, "goods")) == "goods"
            ]
            given_back += sum(goods) if parts else whole_number(total or 0)
    kept = max(0, max(0, basis) - given_back)
    return min(_ORDER_POINTS_MAX, sum(_points(points * kept, per, rounding) for points, per, rounding in award.rules))


def _points(exact: int, per: int, rounding: str) -> int:
    whole, rest = divmod(exact, per)
    up = {"floor": False, "ceil": rest > 0, "half_up": 2 * rest >= per}[rounding]
    return whole + up


def _posted(table: Table) -> dict[tuple[str, str], int]:
    """What entries have given and taken, by order (as entries name it) and member."""
    posted: dict[tuple[str, str], int] = defaultdict(int)
    for member in table.members.values():
        for entry in member.entries.values():
            if entry.source[0] == "order" and entry.kind in {"earn", "clawback"}:
                posted[entry.source[1], member.member] += entry.points
    return posted


def _granted(table: Table) -> dict[tuple[str, str], int]:
    """What orders were granted, and what of a clawback was let go, by order and member."""
    granted: dict[tuple[str, str], int] = defaultdict(int)
    for name, orders in table.orders.items():
        for order in orders:
            if order.award:
                granted[name, order.award.member] += order.award.granted
            for owner, points in order.forgiven.items():
                granted[name, owner] += points
    return granted
