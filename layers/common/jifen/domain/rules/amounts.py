"""Amounts: what the buyer kept, line by line, as exact fractions.

    discounts are spread over the lines by their amounts
    a refund line that names its line is taken off that line; what names none is spread over what is left

The lines of an order always add up to what the whole order kept, and a further refund never raises any of them. So a
rule about some of the lines converges just as one about the whole order does.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from jifen.domain.orders import Line, LineKind, Order, Refund, kept_of_kinds, kind_given_back
from jifen.domain.rules.model import Basis, When


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of an order: ``total`` minor units, shared by ``lines`` as their ``weights`` are (sum ``whole``).

    ``before`` is what it was before any refund. Lower bounds are taken to hold up to ``at_least``, if that is more.
    """

    total: int
    lines: tuple[Line, ...]
    weights: tuple[Fraction | int, ...]
    whole: Fraction | int
    before: int = 0
    at_least: int = 0

    def of(self, chosen: Iterable[int]) -> Fraction:
        """The amount of the lines at these positions, in minor units."""
        if not self.whole:
            return Fraction()
        weight = sum(self.weights[index] for index in chosen)
        return Fraction(self.total) if weight == self.whole else Fraction(self.total * weight, self.whole)


def kept(order: Order, basis: Basis) -> Kept:
    """What is kept of each line that earns."""
    kinds = frozenset({LineKind.GOODS, LineKind.SHIPPING} if basis.shipping else {LineKind.GOODS})
    if order.paid is None or order.cancelled:
        return Kept(0, (), (), 0)
    lines = tuple(line for line in order.paid.lines if line.kind in kinds)
    total, before = kept_of_kinds(order, kinds)
    gross = sum(line.amount_minor for line in lines)
    back = _given_back(order, kinds)
    if before == gross:
        weights = [max(0, line.amount_minor - back.get(line.number, 0)) for line in lines]
    else:
        weights = [max(0, line.amount_minor * before - back.get(line.number, 0) * gross) for line in lines]
    if basis.tax:
        return Kept(total, lines, tuple(weights), sum(weights), before)
    return _less_tax(Kept(total, lines, tuple(weights), sum(weights), before))


def _less_tax(gross: Kept) -> Kept:
    """Each line keeps the share of it that is not tax; the total falls with them, and so does what was bought."""
    net = tuple(
        Fraction(weight * (line.amount_minor - line.tax_minor), line.amount_minor) if line.amount_minor else Fraction()
        for line, weight in zip(gross.lines, gross.weights, strict=True)
    )
    exact = Fraction(gross.total) * sum(net) / gross.whole if gross.whole else Fraction()
    amount = sum(line.amount_minor for line in gross.lines)
    tax = sum(line.tax_minor for line in gross.lines)
    before = gross.before * (amount - tax) // amount if amount else 0
    return Kept(int(exact), gross.lines, net, sum(net, Fraction()), before)


def _given_back(order: Order, kinds: frozenset[LineKind]) -> dict[int, int]:
    """What refunds took back from lines they name, by line number."""
    assert order.paid is not None, "only a paid order keeps anything"
    known = {line.number: line.kind for line in order.paid.lines}
    back: dict[int, int] = {}
    for refund in _comparable(order):
        for line in refund.lines:
            if line.orig_line is not None and line.orig_line in known and kind_given_back(line, known) in kinds:
                back[line.orig_line] = back.get(line.orig_line, 0) + line.amount_minor
    return back


def _comparable(order: Order) -> list[Refund]:
    assert order.paid is not None, "only a paid order keeps anything"
    return [refund for refund in order.refunds.values() if refund.currency == order.paid.currency]


def chosen(lines: tuple[Line, ...], when: When, not_category: frozenset[str], not_product: frozenset[str]) -> list[int]:
    """The positions of the lines that a rule counts, given back or not: which rule a line goes to never changes."""
    if not (when.picks_lines or not_category or not_product):
        return list(range(len(lines)))
    return [
        index
        for index, line in enumerate(lines)
        if (line.category or "") not in not_category
        and line.sku not in not_product
        and (not when.category or (line.category or "") in when.category)
        and (line.category or "") not in when.not_category
        and (not when.product or line.sku in when.product)
        and line.sku not in when.not_product
    ]
