"""Reminders and next dates: what an account is waiting for, as pure functions of the account.

A reminder sweep sends, for each lot date with points left, the smallest lead that is due, unless it or a smaller one
was sent for that date. The worker first claims the reminders on the account, then sends, then confirms:

    due ──claim──> waiting for channels ──confirm──> sent

A claim that was never confirmed (the worker died) is taken over once it is older than ``CLAIM_LEASE``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta

from jifen.domain.account import Account, Reminded
from jifen.domain.calendar import DAY, local_day
from jifen.domain.program import Moment, Program

NEVER = date.max
"""Stands for a day that never comes: the index of expiry names every account with points, those without a date last."""

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
        lead = min((lead for lead in leads if moment.today >= day - timedelta(days=lead)), default=None)
        if lead is None or day < moment.today:
            continue
        known = account.reminded.get(day)
        if known is not None and known.lead_days <= lead:
            lead, waiting = known.lead_days, known.waiting
            if not waiting or _in_other_hands(known, worker, moment):
                continue
            reminders.append(Reminder(account.member, day, lead, points, waiting))
        else:
            reminders.append(Reminder(account.member, day, lead, points, channels))
    return tuple(reminders)


def claim(account: Account, reminders: Iterable[Reminder], worker: str, moment: Moment) -> Account:
    """The account with the reminders marked as being sent by ``worker``; marks of past lot dates are dropped."""
    marks = {day: mark for day, mark in account.reminded.items() if day >= moment.today}
    for reminder in reminders:
        marks[reminder.lot_expires_on] = Reminded(reminder.lead_days, reminder.channels, worker, moment.recorded_at)
    return replace(account, reminded=marks)


def confirm(account: Account, outcome: Mapping[Reminder, tuple[str, ...]], worker: str) -> Account:
    """The account after ``worker`` has sent: ``outcome`` says which channels still wait, for each reminder."""
    marks = dict(account.reminded)
    for reminder, waiting in outcome.items():
        mark = marks.get(reminder.lot_expires_on)
        if mark is not None and mark.claimed_by == worker and mark.lead_days == reminder.lead_days:
            marks[reminder.lot_expires_on] = Reminded(reminder.lead_days, waiting)
    return replace(account, reminded=marks)


def next_reminder_on(account: Account, program: Program) -> date | None:
    """The first day on which a reminder sweep has something to do for this account; None when there is none."""
    leads = program.lead_days
    days: list[date] = []
    for day in _left_by_day(account):
        known = account.reminded.get(day)
        if known is not None and known.waiting:
            days.append(day - timedelta(days=known.lead_days))
            continue
        ahead = [lead for lead in leads if known is None or lead < known.lead_days]
        if ahead:
            days.append(day - timedelta(days=max(ahead)))
    return min(days, default=None)


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
    left: dict[date, int] = {}
    for lot in account.lots:
        if lot.expires_on is not None:
            left[lot.expires_on] = left.get(lot.expires_on, 0) + lot.points
    return left


def _in_other_hands(known: Reminded, worker: str, moment: Moment) -> bool:
    if known.claimed_by == worker:
        return False
    return known.claimed_at is not None and moment.recorded_at - known.claimed_at < CLAIM_LEASE
