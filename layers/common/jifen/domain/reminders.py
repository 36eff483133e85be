"""Reminders and next dates: what an account is waiting for, as pure functions of the account.

A reminder sweep sends, for each lot date with points left, the smallest lead that is due, unless it or a smaller one
was sent for that date. What goes out with them, and how it is marked, is in :mod:`jifen.domain.messages`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from jifen.domain.account import Account, Reminded, Status
from jifen.domain.calendar import DAY, local_day
from jifen.domain.entries import instant_text
from jifen.domain.notice_terms import NO_NOTICES
from jifen.domain.program import Moment, Program

AT_ONCE = date(1970, 1, 1)
"""Stands for a day that has come, whichever it is today."""

NEVER = date.max
"""Stands for a day that never comes: the index of expiry names every account with points, those without a date last."""

_REMINDED = frozenset({Status.ACTIVE, Status.FROZEN})
"""Points of a frozen account lapse as any others; whoever has gone hears of nothing."""

CLAIM_LEASE = timedelta(minutes=5)
"""How long a worker may take between claiming and confirming; below the queue's visibility timeout."""


@dataclass(frozen=True, slots=True)
class Reminder:
    """``points`` (>= 1) of ``member`` lapse after ``lot_expires_on``; sent ``lead_days`` ahead over ``channels``."""

    member: str
    lot_expires_on: date
    lead_days: int
    points: int
    channels: tuple[str, ...]


def due_reminders(
    account: Account, leads: tuple[int, ...], channels: tuple[str, ...], worker: str, moment: Moment
) -> tuple[Reminder, ...]:
    """What ``worker`` is to send at ``moment`` for an account that is as of ``moment``, soonest lot date first.

    A claim of its own is its to finish: the answer to it may have been lost.
    """
    reminders: list[Reminder] = []
    for day, points in _left_by_day(account).items():
        known = account.reminded.get(day)
        lead = min((lead for lead in leads if moment.today >= day - timedelta(days=lead)), default=None)
        if lead is None and known is not None and known.waiting:
            lead = known.lead_days  # begun while there was such a lead
        if lead is None or day < moment.today:
            continue
        if known is not None and known.lead_days <= lead:
            lead, waiting = known.lead_days, known.waiting
            if not waiting or in_other_hands(known, worker, moment):
                continue
            reminders.append(Reminder(account.member, day, lead, points, waiting))
        else:
            reminders.append(Reminder(account.member, day, lead, points, channels))
    return tuple(reminders)


def next_reminder_on(account: Account, program: Program) -> date | None:
    """The first day on which a reminder sweep has something to do for this account; None when there is none.

    It is an instant (a ``datetime``) where a message is held to the end of quiet hours: nothing goes out before.
    """
    if account.told.held_until is not None:
        return account.told.held_until
    begun: list[date] = []
    ahead: list[date] = []
    for day in _left_by_day(account):
        known = account.reminded.get(day)
        if known is not None and known.waiting:
            begun.append(day - timedelta(days=known.lead_days))
        elif leads := [lead for lead in program.lead_days if known is None or lead < known.lead_days]:
            ahead.append(day - timedelta(days=max(leads)))
    if program.notices is not NO_NOTICES or program.policies:
        from jifen.domain.due_notices import notice_days  # noqa: PLC0415 - a program without any does not pay for it

        for day, waits in notice_days(account, program):
            (begun if waits else ahead).append(day)
        if program.notices is not NO_NOTICES and program.notices.once_a_day and account.told.day:
            ahead = [max(day, account.told.day + DAY) for day in ahead]
    return min((*begun, *ahead), default=None)


def index_text(on: date) -> str:
    """A next date as it stands in an index: a day (2026-11-26), or an instant (2026-11-26T07:00:00Z)."""
    return instant_text(on) if isinstance(on, datetime) else on.isoformat()


def next_expiry_on(account: Account, program: Program) -> date | None:
    """The first day on which an expiry sweep has something to write.

    A lot lapses, a hold runs out, a tier changes, or a policy of validity comes due. An account with points that
    nothing lies ahead of has :data:`NEVER`.
    """
    days = [lot.expires_on + DAY for lot in account.lots if lot.expires_on]
    days += [local_day(hold.expires_at, program.zone) for hold in account.holds]
    if account.standing.due:
        days.append(account.standing.due)
    if program.policies:
        from jifen.domain.policies import next_policy_on  # noqa: PLC0415 - most programs have none

        days += [on] if (on := next_policy_on(account, program)) else []
    return min(days, default=NEVER if account.lots else None)


def _left_by_day(account: Account) -> dict[date, int]:
    """Points by last day of an account whose member may be reminded of them."""
    left: dict[date, int] = {}
    if account.status not in _REMINDED:
        return left
    for lot in account.lots:
        if lot.expires_on is not None:
            left[lot.expires_on] = left.get(lot.expires_on, 0) + lot.points
    return left


def in_other_hands(known: Reminded, worker: str, moment: Moment) -> bool:
    """Whether another worker is at it, or may be."""
    if known.claimed_by == worker:
        return False
    return known.claimed_at is not None and moment.recorded_at - known.claimed_at < CLAIM_LEASE
