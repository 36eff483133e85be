"""Clawback: taking points back that may be spent already.

own lots first, then soonest-expiring      what is missing is owed, or forgiven, as the program says
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from functools import partial

from jifen.domain import lots as lot_book
from jifen.domain.account import Change
from jifen.domain.entries import Draft
from jifen.domain.lots import Changes, Lot, LotChange, Lots
from jifen.domain.program import ClawbackPolicy, Moment

Shares = Mapping[tuple[date | None, date | None], int]
"""Points by the lot they lie in: its last valid day and its first day of use."""


def claw_back(
    change: Change, points: int, own: Shares, policy: ClawbackPolicy, draft: Draft, moment: Moment
) -> tuple[Change, int]:
    """Take ``points`` (>= 1) out of an account: from each of its ``own`` lots its share, then soonest-expiring.

    Own lots give even what has lapsed. Points that an open hold keeps are owed under any policy.

    Args:
        change: the account, caught up with time.
        points: how many.
        own: the lots they went into, by last valid day and first day of use, and how many of them went into each.
        policy: what becomes of the part that the account has not got.
        draft: the entry without points, lots and debt; what was owed and forgiven is added to its ``why``.
        moment: when.

    Returns:
        The account, and the points that policy ``clamp`` forgave.
    """
    taken = _taken(change.account.lots, points, own, moment.today)
    missing = points + lot_book.total(taken)
    held_free = max(0, change.account.held - change.account.debt)
    forgiven = max(0, missing - held_free) if policy is ClawbackPolicy.CLAMP else 0
    owed = missing - forgiven
    *earlier, last = draft.why
    if missing:
        last = {**last, "owed": owed, "forgiven": forgiven}
    draft = replace(draft, points=forgiven - points, lots=taken, debt=owed, why=(*earlier, last))
    return (change.post(draft, moment) if forgiven < points else change), forgiven


def _taken(lots: Lots, points: int, own: Shares, today: date) -> Changes:
    """The changes that take ``points`` out of the lots, as far as they go."""
    shares: list[LotChange] = []
    for dates, share in own.items():
        shares += lot_book.take(lots, share, partial(_of, dates))
    left = lot_book.apply(lots, shares)
    rest = lot_book.take(
        left,
        points + lot_book.total(shares),
        lambda lot: not lot.expired(today) or (lot.expires_on, lot.active_from) in own,
        first=lambda lot: (lot.expires_on, lot.active_from) in own,
    )
    return _merged((*shares, *rest))


def _of(dates: tuple[date | None, date | None], lot: Lot) -> bool:
    return (lot.expires_on, lot.active_from) == dates


def _merged(changes: Changes) -> Changes:
    """One change a lot, in the order in which the lots were come to."""
    found: dict[tuple[date | None, date | None], int] = {}
    for change in changes:
        dates = (change.expires_on, change.active_from)
        found[dates] = found.get(dates, 0) + change.points
    return tuple(LotChange(points, *dates) for dates, points in found.items())
