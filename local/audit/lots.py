"""Lots as an auditor counts them: points by last valid and first day, and what taking some of them takes."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

Day = str | None
"""``YYYY-MM-DD``, which sorts as days do; None is for ever, or at once."""
LotKey = tuple[Day, Day]
"""Last valid day and first day."""
Lots = dict[LotKey, int]

FOREVER = "~"
"""After every day."""


class Change(NamedTuple):
    """Points put into a lot, or taken out."""

    points: int
    key: LotKey


def total(changes: Iterable[Change]) -> int:
    """The points of all changes."""
    return sum(change.points for change in changes)


def merged(changes: Iterable[Change]) -> Lots:
    """The changes by lot; a lot that is as it was is left out."""
    lots: Lots = {}
    apply(lots, changes)
    return lots


def negated(lots: Lots) -> Lots:
    """What is taken as what is there, and the other way round."""
    return {key: -points for key, points in lots.items()}


def apply(lots: Lots, changes: Iterable[Change]) -> None:
    """Change lots in place; an empty one is gone."""
    for points, key in changes:
        left = lots.get(key, 0) + points
        if left:
            lots[key] = left
        else:
            lots.pop(key, None)


def lot_order(key: LotKey) -> tuple[str, str]:
    """The soonest-expiring sorts first."""
    return key[0] or FOREVER, key[1] or ""


def is_past(day: Day, today: str) -> bool:
    """Whether the last valid day of a lot is over."""
    return day is not None and day < today


def is_usable(key: LotKey, today: str) -> bool:
    """Whether a lot is neither expired nor still to begin."""
    return not is_past(key[0], today) and not (key[1] is not None and key[1] > today)


def greedy(lots: Lots, points: int, first: Collection[LotKey] = ()) -> Lots:
    """What taking ``points`` takes, as negative changes: the lots ``first``, then soonest-expiring."""
    taken: Lots = {}
    for key in sorted(lots, key=lambda key: (key not in first, lot_order(key))):
        part = min(points, lots[key])
        if part > 0:
            taken[key] = -part
            points -= part
    return taken


def less_debt(credit: Lots, debt: int) -> Lots:
    """What is left of a credit when its soonest-expiring points have paid a debt."""
    paid = greedy(credit, debt)
    return {key: left for key, points in credit.items() if (left := points + paid.get(key, 0))}
