"""Lots: points that share one last valid day and one activation day.

Lots are a tuple ordered by (last valid day, activation day), never-expiring last, one lot per pair of days, each with
at least one point. Every change goes through a :class:`LotChange`, which is what entries keep.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

from jifen.domain.errors import LedgerFault

LOTS_MAX = 120
"""More lots than this in one account are compacted: daily dates of four months, monthly dates of ten years."""


@dataclass(frozen=True, slots=True)
class Lot:
    """``points`` (>= 1) valid from ``active_from`` (None: at once) through ``expires_on`` (None: for ever)."""

    points: int
    expires_on: date | None = None
    active_from: date | None = None

    def spendable(self, today: date) -> bool:
        """Whether the points can be used on ``today``."""
        return not self.expired(today) and not self.pending(today)

    def pending(self, today: date) -> bool:
        """Whether the points are still to become active."""
        return self.active_from is not None and self.active_from > today

    def expired(self, today: date) -> bool:
        """Whether the last valid day is past."""
        return self.expires_on is not None and self.expires_on < today


@dataclass(frozen=True, slots=True)
class LotChange:
    """``points`` (signed, never 0) put into or taken out of the lot with these two days."""

    points: int
    expires_on: date | None
    active_from: date | None = None


Lots = tuple[Lot, ...]
Changes = tuple[LotChange, ...]


def order_key(lot: Lot | LotChange) -> tuple[date, date]:
    """Soonest-expiring first, never-expiring last; among equals the one active first."""
    return (lot.expires_on or date.max, lot.active_from or date.min)


def total(lots: Iterable[Lot | LotChange]) -> int:
    """The sum of the points."""
    return sum(lot.points for lot in lots)


def apply(lots: Lots, changes: Iterable[LotChange]) -> Lots:
    """The lots after the changes; a lot below zero raises :class:`LedgerFault`."""
    if not changes:
        return lots
    points = {(lot.expires_on, lot.active_from): lot.points for lot in lots}
    for change in changes:
        key = (change.expires_on, change.active_from)
        points[key] = points.get(key, 0) + change.points
    if any(count < 0 for count in points.values()):
        message = f"a lot would fall below zero: {points}"
        raise LedgerFault(message)
    return tuple(sorted((Lot(count, *key) for key, count in points.items() if count), key=order_key))


def take(
    lots: Lots, points: int, usable: Callable[[Lot], bool], first: Callable[[Lot], bool] = lambda _lot: False
) -> Changes:
    """Take up to ``points`` out of the usable lots, soonest-expiring first.

    ``first`` says which lots are used before all others (the order's own lot, in a clawback).
    The result holds negative changes; their sum says how much could be taken.
    """
    ordered = sorted(lots, key=lambda lot: (not first(lot), order_key(lot)))
    taken: list[LotChange] = []
    for lot in ordered:
        if points <= 0:
            break
        if usable(lot):
            part = min(points, lot.points)
            taken.append(LotChange(-part, lot.expires_on, lot.active_from))
            points -= part
    return tuple(taken)


def reverse(changes: Iterable[LotChange]) -> Changes:
    """The changes with their signs turned."""
    return tuple(LotChange(-change.points, change.expires_on, change.active_from) for change in changes)


def compact(lots: Lots, today: date) -> Changes:
    """Changes that bring the lots back to ``LOTS_MAX``: neighbours closest in time join at the later date.

    A member never loses a day by it. Lots without an expiry, still to be activated or already expired on ``today`` stay
    as they are.
    """
    changes: list[LotChange] = []
    while len(lots) > LOTS_MAX:
        dated = [lot for lot in lots if lot.expires_on and not lot.active_from and not lot.expired(today)]
        pairs = [
            ((later.expires_on - sooner.expires_on).days, index)
            for index, (sooner, later) in enumerate(pairwise(dated))
            if sooner.expires_on is not None and later.expires_on is not None
        ]
        if not pairs:
            break
        index = min(pairs)[1]
        sooner, later = dated[index], dated[index + 1]
        step = (
            LotChange(-sooner.points, sooner.expires_on),
            LotChange(sooner.points, later.expires_on),
        )
        changes.extend(step)
        lots = apply(lots, step)
    return tuple(changes)
