"""Activity: when a member was here last, and what was spent in each month. Policies of validity ask for both.

    login   ──> standing.seen["login"]      the last local day of one; never moved backwards
    order   ──> standing.paid_on            kept by :mod:`jifen.domain.tallies`: an order given back is none
    entry   ──> standing.seen["opened"]     the day of the first one, before which nobody is missed
    order   ──> standing.spent              by month of payment, what was kept; the award says what it has counted

What an award has counted is on the award, so that a refund takes back what was counted and nothing else.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

from jifen.domain.account import Account, Status
from jifen.domain.calendar import add_months
from jifen.domain.program import Program
from jifen.domain.rules.model import Per
from jifen.domain.standing import Standing, window
from jifen.domain.validity_terms import SPENT_MONTHS_MAX, Spent

LOGIN = "login"

LOGGED_IN = "member.logged_in"
"""The type of the behaviour event that is a login."""

KNOWN = frozenset({Status.ACTIVE, Status.FROZEN})
"""Accounts whose activity is kept: who is frozen is still there; who is gone left nothing to be kept."""

MONTHS_MORE = 2
"""Months that are kept beside those a policy looks at: the present one, and one for a run that was missed."""

Counted = tuple[str, int]
"""A month (``2026-11``) and what was counted in it, in minor units."""


def seen(account: Account, kind: str, day: date) -> Account:
    """The account with an activity on ``day``; the very same where that is nothing new, or not kept of it."""
    standing = account.standing
    known = standing.seen.get(kind)
    if account.status not in KNOWN or (known is not None and known >= day):
        return account
    return replace(account, standing=replace(standing, seen={**standing.seen, kind: day}))


def counts_spending(program: Program) -> bool:
    """Whether a policy asks for what was spent."""
    return any(isinstance(policy.when, Spent) for policy in program.policies)


def oldest_month(program: Program, today: date) -> str:
    """The oldest month whose sum is kept: what the policies look at, and :data:`MONTHS_MORE`."""
    asked = [policy.when for policy in program.policies if isinstance(policy.when, Spent)]
    first = today.replace(day=1)
    if not asked:
        return month_of(add_months(first, -SPENT_MONTHS_MAX - MONTHS_MORE))
    firsts = ((today - timedelta(days=one.wait_days)).replace(day=1) for one in asked)
    oldest = min(add_months(day, 1 - MONTHS_MORE - one.months) for day, one in zip(firsts, asked, strict=True))
    return month_of(oldest)


def month_of(day: date) -> str:
    """The month that something of ``day`` counts in."""
    return window(Per.MONTH, day)


def spent(standing: Standing, program: Program, before: Counted | None, now: Counted | None, today: date) -> Standing:
    """The standing once an order counts ``now`` in place of ``before``; months that are not kept are dropped.

    What is taken from a month that was dropped before takes nothing from what is counted there later.
    """
    oldest = oldest_month(program, today)
    sums = {month: found for month, found in standing.spent.items() if month >= oldest}
    for counted, sign in ((before, -1), (now, 1)):
        if counted and counted[0] >= oldest:
            sums[counted[0]] = sums.get(counted[0], 0) + sign * counted[1]
    return replace(standing, spent={month: found for month, found in sums.items() if found > 0})
