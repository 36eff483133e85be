"""What time does to a tier: it gives the month's allowance and lets a level fall. Written down by whoever comes by.

    1st of the month ──> allowance of the level held that day, one BONUS entry a month
    end of a period  ──> the level falls to what still qualifies; no entry, a level is no point

The expiry sweep finds such accounts by ``standing.due``, and an order or event of the member does the same before it is
judged, so that nobody earns by a level that has ended.
"""

from __future__ import annotations

from dataclasses import replace

from jifen.domain import tiers
from jifen.domain.account import Change, caught_up, credit
from jifen.domain.entries import Draft, Kind, Reason, Source
from jifen.domain.lots import LotChange
from jifen.domain.program import Moment
from jifen.domain.rules.model import RuleSet


def given(change: Change, rules: RuleSet, moment: Moment) -> Change:
    """The account with every allowance that is due, and with the level of today; the same where there are no tiers."""
    terms = rules.tiers
    if terms is None:
        return change
    while due := tiers.allowance_due(change.account.standing, terms, moment.today):
        month, points = due
        level = tiers.level_of(change.account.standing, terms, moment.today).level
        draft = Draft(
            kind=Kind.BONUS,
            reason=Reason.TIER_ALLOWANCE,
            source=Source("allowance", month),
            occurred_at=moment.now,
            lots=(LotChange(points, rules.expiry.last_valid_day(moment.today)),),
            why=({"tier": level, "allowance": month, "points": points},),
        )
        change = credit(caught_up(change, moment), draft, moment)
        change = change.remember(replace(change.account.standing, allowance=month))
    standing = tiers.settled(change.account.standing, terms, moment.today)
    return change if standing == change.account.standing else change.remember(standing)
