"""Clawback: taking points back that may be spent already.

own lots first, then soonest-expiring      what is missing is owed, or forgiven, as the program says
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from jifen.domain import lots as lot_book
from jifen.domain.account import Change
from jifen.domain.entries import Draft
from jifen.domain.lots import Lot
from jifen.domain.program import ClawbackPolicy, Moment


def claw_back(
    change: Change, points: int, own: Callable[[Lot], bool], policy: ClawbackPolicy, draft: Draft, moment: Moment
) -> tuple[Change, int]:
    """Take ``points`` (>= 1) out of an account: ``own`` lots first, even lapsed ones, then soonest-expiring.

    Points that an open hold keeps are owed under any policy.

    Args:
        change: the account, caught up with time.
        points: how many.
        own: the lots they went into.
        policy: what becomes of the part that the account has not got.
        draft: the entry without points, lots and debt; what was owed and forgiven is added to its ``why``.
        moment: when.

    Returns:
        The account, and the points that policy ``clamp`` forgave.
    """
    today = moment.today
    taken = lot_book.take(change.account.lots, points, lambda lot: not lot.expired(today) or own(lot), first=own)
    missing = points + lot_book.total(taken)
    held_free = max(0, change.account.held - change.account.debt)
    forgiven = max(0, missing - held_free) if policy is ClawbackPolicy.CLAMP else 0
    owed = missing - forgiven
    *earlier, last = draft.why
    if missing:
        last = {**last, "owed": owed, "forgiven": forgiven}
    draft = replace(draft, points=forgiven - points, lots=taken, debt=owed, why=(*earlier, last))
    return (change.post(draft, moment) if forgiven < points else change), forgiven
