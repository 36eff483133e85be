"""Tiers: the level of a member on a day, as a pure function of what qualified in each month.

    reached in a period ──> kept through the period after it ──> what qualified in that period decides:
                                     ^                            enough ── kept for another period
                                     └──────────────────────────  less ──── falls, to what qualifies or by one level

    period   2026 (reached in May)   2027 (kept)   2028
             ──────────^─────────────────────────|──^── 1 January 2028: decided by 2027

A *slot* is the number of a calendar year, or of a month (year * 12 + month - 1) where the period is the last so many
months; the period of a slot ends with it. A lifetime has one period and no end.

A rise takes effect with the posting that causes it, a fall with the first day of a slot (or, under ``at_once``, with a
refund). Nobody has to be there: :func:`level_of` answers for any later day what evaluating every day would have led to.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from fractions import Fraction
from typing import TYPE_CHECKING

from jifen.domain.calendar import DAY, add_months
from jifen.domain.rules.model import Level, Per, TierTerms
from jifen.domain.standing import Standing, TierState, window

if TYPE_CHECKING:  # the sweep knows tiers and shows nothing
    from jifen.domain.member_views import (
        TierBenefitsView,
        TierKeepsView,
        TierNextView,
        TierView,
        TierWarningView,
    )

EVER = "all"
"""The name of the lifetime sum among what qualified."""

MONTHS_KEPT = 24
"""Months of sums kept at least: this calendar year and the one before."""

ALLOWANCES_MAX = 12
"""Months of a missed allowance that are made up for, the current one included."""


# The level ------------------------------------------------------------------------------------------------------------


def level_of(standing: Standing, terms: TierTerms, today: date) -> TierState:
    """The level as it truly is on ``today``, whatever was written down when.

    A member without a level, or with one that is not in ``terms`` any more, has the one that qualifies. ``until`` is
    the last day on which the level is kept: whatever happens, and under ``at_once`` as long as nothing is refunded. It
    is None for the first level, for a lifetime and under ``never``. A day before ``since`` is answered as ``since``.
    """
    held = standing.tier
    if held is None or _rank_of(terms, held.level) is None:
        held = TierState(terms.levels[0].id, today)
    day = max(today, held.since)
    follow = terms.downgrade == "at_once"
    return (_following if follow else _lasting)(standing, terms, held, day)


def settled(standing: Standing, terms: TierTerms, today: date) -> Standing:
    """The standing with the level of ``today`` written down, and the day from which on there is something to do again.

    A level with an allowance that is entered from one without begins its allowance with the next first day of a month.
    Give what :func:`allowance_due` names before: a level that was left is not known any more.
    """
    before, after = standing.tier, level_of(standing, terms, today)
    given = standing.allowance
    if before is None or before.level != after.level:
        given = _given_at_change(standing, terms, after)
    known = replace(standing, tier=after, allowance=given)
    return replace(known, due=next_due_on(known, terms, today))


def counted(standing: Standing, terms: TierTerms, month_day: date, amount: int, today: date) -> Standing:
    """The standing with ``amount`` (signed; points, or minor units) added to the month of ``month_day``, and settled.

    It is settled before, too: what was decided until now is not decided again by what comes late. Months that no
    period needs any more are dropped, and an amount for one of them counts for the lifetime only. A refund counts in
    the month of its order, and a sum may be below zero (a refund of what never counted); it is then read as zero.
    """
    return counted_together(standing, terms, ((month_day, amount),), today)


def counted_together(
    standing: Standing, terms: TierTerms, amounts: Iterable[tuple[date, int]], today: date
) -> Standing:
    """As :func:`counted`, several amounts at once: what moves from one month to another is never in both."""
    settled_before = settled(standing, terms, today)
    oldest = _month(today, 1 - max(MONTHS_KEPT, terms.months + 1))
    sums = {month: found for month, found in standing.qualified.items() if month >= oldest}
    for month_day, amount in amounts:
        for key in (window(Per.MONTH, month_day), EVER):
            if key >= oldest:
                sums[key] = sums.get(key, 0) + amount
    qualified = {month: found for month, found in sums.items() if found}
    return settled(replace(settled_before, qualified=qualified), terms, today)


def _given_at_change(standing: Standing, terms: TierTerms, after: TierState) -> str:
    """The last month whose allowance is settled once the level has changed to ``after``; empty where it gives none."""
    rank = None if standing.tier is None else _rank_of(terms, standing.tier.level)
    left, entered = terms.levels[rank or 0], level_at(terms, after)
    if not entered.allowance:
        return ""
    if left.allowance and standing.allowance:
        return standing.allowance
    fell = entered.reach < left.reach
    return max(standing.allowance, window(Per.MONTH, after.since - DAY if fell else after.since))


def _lasting(standing: Standing, terms: TierTerms, held: TierState, day: date) -> TierState:
    """The level under a policy that keeps it for a while, or for ever."""
    rank, since, until, fell = _rank_of(terms, held.level) or 0, held.since, held.until, held.fell
    ends = terms.period != "lifetime" and terms.downgrade != "never"
    slot = _slot(terms, day)
    if ends and rank:
        until = _kept_through(terms, _slot(terms, since)) if until is None else _last_day(terms, _slot(terms, until))
        while rank and until < day:
            ended = _slot(terms, until)
            reached = _rank(standing, terms, ended)
            if terms.downgrade == "one_step":
                reached = max(reached, rank - 1)
            if reached != rank:
                rank, since, fell = reached, until + DAY, reached < rank
            until = _kept_through(terms, ended)
    for reached_in in (slot, slot - 1):  # The one before: an order that arrives after its year, or month, has ended.
        reached = _rank(standing, terms, reached_in)
        if reached > rank:
            rank, since, until, fell = reached, day, _kept_through(terms, reached_in) if ends else None, False
    return TierState(terms.levels[rank].id, since, until if ends and rank else None, fell)


def _following(standing: Standing, terms: TierTerms, held: TierState, day: date) -> TierState:
    """The level under ``at_once``: always the one that qualifies."""
    rank, slot = _rank_of(terms, held.level) or 0, _slot(terms, day)
    reached = _rank(standing, terms, slot)
    since, fell = held.since, held.fell
    if reached > rank:
        since, fell = day, False
    elif reached < rank:
        since, fell = _fallen_on(standing, terms, held, day), True
    if not reached or terms.period == "lifetime":
        return TierState(terms.levels[reached].id, since, None, fell)
    last = slot
    while last < slot + _length(terms) and _rank(standing, terms, last + 1) >= reached:
        last += 1
    return TierState(terms.levels[reached].id, since, _last_day(terms, last), fell)


def _fallen_on(standing: Standing, terms: TierTerms, held: TierState, day: date) -> date:
    """The first day of the slot since which no more qualified than on ``day``; ``day`` where a refund made it fall."""
    first, slot = _slot(terms, held.since), _slot(terms, day)
    reached = _rank(standing, terms, slot)
    while slot > first and _rank(standing, terms, slot - 1) <= reached:
        slot -= 1
    return _first_day(terms, slot) if slot > first else day


# The allowance --------------------------------------------------------------------------------------------------------


def allowance_due(standing: Standing, terms: TierTerms, today: date) -> tuple[str, int] | None:
    """The oldest month (``2026-11``) whose allowance is due and not given, and its points (> 0).

    Whoever gives it sets ``standing.allowance`` to that month and asks again. Months that were missed are made up for,
    at most :data:`ALLOWANCES_MAX` with the current one; where none was ever given, only the current month is. Each
    month is paid by the level of its first day, or by the one written down if that is younger. A member whose level was
    never written down has none due.
    """
    known = standing.tier
    if known is None:
        return None
    back = ALLOWANCES_MAX - 1 if standing.allowance else 0
    for months in range(-back, 1):
        month = _first_of_month(today, months)
        name = window(Per.MONTH, month)
        if name <= standing.allowance or (not standing.allowance and known.since > month):
            continue
        points = level_at(terms, level_of(standing, terms, month)).allowance
        if points:
            return name, points
    return None


def next_due_on(standing: Standing, terms: TierTerms, today: date) -> date | None:
    """The first day, not before ``today``, on which a sweep has something to do: an allowance, or the end of a tier.

    None: nothing, until something else happens to the member.
    """
    state = level_of(standing, terms, today)
    new = state.level != terms.levels[0].id or terms.levels[0].allowance > 0
    stale = new if standing.tier is None else standing.tier.level != state.level
    if stale or allowance_due(standing, terms, today):
        return today
    days = [falls_on(standing, terms, state)]
    month = _first_of_month(today, 1)
    if standing.allowance >= window(Per.MONTH, month):  # ``today`` is behind what was done already
        month = _first_of_month(date.fromisoformat(f"{standing.allowance}-01"), 1)
    if level_at(terms, level_of(standing, terms, month)).allowance:
        days.append(month)
    return min((day for day in days if day is not None), default=None)


def falls_on(standing: Standing, terms: TierTerms, state: TierState) -> date | None:
    """The first day on which the level is no more that of ``state`` if nothing more qualifies; None: it stays."""
    level = state.level
    while state.until is not None:
        day = state.until + DAY
        state = level_of(standing, terms, day)
        if state.level != level:
            return day
    return None


# What a member sees ---------------------------------------------------------------------------------------------------


def view(standing: Standing, terms: TierTerms, today: date) -> TierView:
    """The level with its benefits, the way to the next one, what keeps it, and a warning before it falls."""
    state = level_of(standing, terms, today)
    level = level_at(terms, state)
    keeps = what_keeps(standing, terms, state)
    return {
        "level": level.id,
        "title": level.title or level.id,
        "since": state.since.isoformat(),
        "until": None if state.until is None else state.until.isoformat(),
        "next": _next(standing, terms, level, today),
        "keeps": keeps,
        "warning": _warning(standing, terms, state, keeps, today),
        "benefits": _benefits(level),
    }


def _next(standing: Standing, terms: TierTerms, level: Level, today: date) -> TierNextView | None:
    above = next((above for above in terms.levels if above.reach > level.reach), None)
    if above is None:
        return None
    has = _sum(standing, terms, _slot(terms, today))
    missing = max(0, above.reach - has)
    return {"level": above.id, "title": above.title or above.id, "needs": above.reach, "has": has, "missing": missing}


def what_keeps(standing: Standing, terms: TierTerms, state: TierState) -> TierKeepsView | None:
    """What keeps the level of ``state``: that which decides on the day after its ``until``.

    None where nothing can: there is no end, or the next period begins at zero.
    """
    if state.until is None:
        return None
    decides = _slot(terms, state.until) + (terms.downgrade == "at_once")
    begins = _first_day(terms, decides - _length(terms) + 1)
    if begins > state.until:
        return None
    needs, has = level_at(terms, state).reach, _sum(standing, terms, decides)
    missing = max(0, needs - has)
    return {
        "needs": needs,
        "has": has,
        "missing": missing,
        "counts_from": begins.isoformat(),
        "by": state.until.isoformat(),
    }


def _warning(
    standing: Standing, terms: TierTerms, state: TierState, keeps: TierKeepsView | None, today: date
) -> TierWarningView | None:
    if state.until is None:
        return None
    on = state.until + DAY
    drops_to = level_of(standing, terms, on).level
    if drops_to == state.level or (on - today).days > terms.warn_days:
        return None
    return {"drops_to": drops_to, "on": on.isoformat(), "missing": None if keeps is None else keeps["missing"]}


def _benefits(level: Level) -> TierBenefitsView:
    return {
        "multiplier": _decimal(level.multiplier),
        "discount": _decimal(level.discount),
        "services": list(level.services),
        "allowance": level.allowance,
    }


def _decimal(share: Fraction | None) -> str | None:
    """The number as decimal text, cut to six digits."""
    if share is None:
        return None
    whole, rest = divmod(share.numerator * 1_000_000 // share.denominator, 1_000_000)
    return f"{whole}.{rest:06d}".rstrip("0").rstrip(".")


# Periods --------------------------------------------------------------------------------------------------------------


def _slot(terms: TierTerms, day: date) -> int:
    return day.year if terms.period == "year" else day.year * 12 + day.month - 1


def _length(terms: TierTerms) -> int:
    return 1 if terms.period == "year" else terms.months


def _first_day(terms: TierTerms, slot: int) -> date:
    return date(slot, 1, 1) if terms.period == "year" else date(slot // 12, slot % 12 + 1, 1)


def _last_day(terms: TierTerms, slot: int) -> date:
    return _first_day(terms, slot + 1) - DAY


def _kept_through(terms: TierTerms, reached_in: int) -> date:
    """The last day of the period after the one that ends with the slot ``reached_in``."""
    return _last_day(terms, reached_in + _length(terms))


def _sum(standing: Standing, terms: TierTerms, slot: int) -> int:
    """What qualified in the period that ends with ``slot`` (>= 0)."""
    if terms.period == "lifetime":
        return max(0, standing.qualified.get(EVER, 0))
    first = window(Per.MONTH, _first_day(terms, slot - _length(terms) + 1))
    last = window(Per.MONTH, _last_day(terms, slot))
    return sum(max(0, found) for month, found in standing.qualified.items() if first <= month <= last)


def _rank(standing: Standing, terms: TierTerms, slot: int) -> int:
    """The place among the levels of the one that qualifies in the period that ends with ``slot``."""
    total = _sum(standing, terms, slot)
    return max((rank for rank, level in enumerate(terms.levels) if level.reach <= total), default=0)


def _rank_of(terms: TierTerms, level_id: str) -> int | None:
    return next((rank for rank, level in enumerate(terms.levels) if level.id == level_id), None)


def level_at(terms: TierTerms, state: TierState) -> Level:
    """The terms of the level that ``state`` names; those of the first where it is not in ``terms`` any more."""
    return terms.levels[_rank_of(terms, state.level) or 0]


def _first_of_month(day: date, months: int) -> date:
    return add_months(date(day.year, day.month, 1), months)


def _month(day: date, months: int) -> str:
    return window(Per.MONTH, _first_of_month(day, months))
