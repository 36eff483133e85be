"""Levels, worked out once more from docs/tiers.md: what qualified, month by month, and the level that follows from it.

A period is named by the number of the year, or of the month, that it ends with.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date

from jifen.domain.rules.model import TierTerms
from local.simulation.days import DAY
from local.simulation.memory import Memory

ALWAYS = "all"
MONTHS_KEPT = 24
ALLOWANCES_MAX = 12

Held = tuple[str, date, date | None, bool]
"""A level by its id, since when, the last day on which it is kept whatever happens, and whether it fell to it."""


def level(memory: Memory, terms: TierTerms, day: date) -> Held:
    """The level on a day."""
    ids = [one.id for one in terms.levels]
    known = memory.tier if memory.tier and memory.tier[0] in ids else (ids[0], day, None, False)
    day = max(day, known[1])
    return _at_once(memory, terms, known, day) if terms.downgrade == "at_once" else _kept(memory, terms, known, day)


def settle(memory: Memory, terms: TierTerms, today: date) -> Memory:
    """With the level of today written down."""
    after = level(memory, terms, today)
    allowance = memory.allowance
    if memory.tier is None or memory.tier[0] != after[0]:
        allowance = _allowance_begins(memory, terms, after)
    return replace(memory, tier=after, allowance=allowance)


def qualify(memory: Memory, terms: TierTerms, amounts: Iterable[tuple[date, int]], today: date) -> Memory:
    """With so much more (or less) in the month of each day, and since ever; all of it at once."""
    memory = settle(memory, terms, today)
    first = _month(_months_on(today, 1 - max(MONTHS_KEPT, terms.months + 1)))
    sums = {name: found for name, found in memory.qualified.items() if name >= first}
    for day, amount in amounts:
        for name in (_month(day), ALWAYS):
            if name >= first:
                sums[name] = sums.get(name, 0) + amount
    return settle(replace(memory, qualified={name: found for name, found in sums.items() if found}), terms, today)


def allowance(memory: Memory, terms: TierTerms, today: date) -> tuple[str, int] | None:
    """The oldest month whose allowance is due, and its points."""
    if memory.tier is None:
        return None
    months = range(1 - ALLOWANCES_MAX if memory.allowance else 0, 1)
    for first in (_months_on(today, back) for back in months):
        name = _month(first)
        if name <= memory.allowance or (not memory.allowance and memory.tier[1] > first):
            continue
        points = _allowance_of(terms, level(memory, terms, first)[0])
        if points:
            return name, points
    return None


# How it falls, and rises ---------------------------------------------------------------------------------------------


def _kept(memory: Memory, terms: TierTerms, known: Held, day: date) -> Held:
    """A level is kept through the period after the one it was reached in; what that one has decides what follows."""
    ids = [one.id for one in terms.levels]
    at, since, until, fell = ids.index(known[0]), *known[1:]
    falls = terms.period != "lifetime" and terms.downgrade != "never"
    if falls and at:
        until = _end(terms, _period(terms, until) if until else _period(terms, since) + _length(terms))
        while at and until < day:
            decides = _period(terms, until)
            reached = _reached(memory, terms, decides)
            if terms.downgrade == "one_step":
                reached = max(reached, at - 1)
            if reached != at:
                at, since, fell = reached, until + DAY, reached < at
            until = _end(terms, decides + _length(terms))
    for period in (_period(terms, day), _period(terms, day) - 1):
        reached = _reached(memory, terms, period)
        if reached > at:
            at, since, until, fell = reached, day, _end(terms, period + _length(terms)), False
    return ids[at], since, until if falls and at else None, fell


def _at_once(memory: Memory, terms: TierTerms, known: Held, day: date) -> Held:
    """The level that qualifies today, and the last day on which it would if nothing were given back."""
    ids = [one.id for one in terms.levels]
    before, since, now = ids.index(known[0]), known[1], _period(terms, day)
    reached = _reached(memory, terms, now)
    fell = known[3] if reached == before else reached < before
    if reached > before:
        since = day
    elif reached < before:
        first, period = _period(terms, since), now
        while period > first and _reached(memory, terms, period - 1) <= reached:
            period -= 1
        since = _end(terms, period - 1) + DAY if period > first else day
    if not reached or terms.period == "lifetime":
        return ids[reached], since, None, fell
    last = now
    while last < now + _length(terms) and _reached(memory, terms, last + 1) >= reached:
        last += 1
    return ids[reached], since, _end(terms, last), fell


def _allowance_begins(memory: Memory, terms: TierTerms, after: Held) -> str:
    """A level with an allowance that is entered from one without begins it with the next first day of a month."""
    by_id = {one.id: one for one in terms.levels}
    before = by_id.get(memory.tier[0] if memory.tier else "", terms.levels[0])
    if not by_id[after[0]].allowance:
        return ""
    if before.allowance and memory.allowance:
        return memory.allowance
    fell = by_id[after[0]].reach < before.reach
    return max(memory.allowance, _month(after[1] - DAY if fell else after[1]))


def _allowance_of(terms: TierTerms, name: str) -> int:
    return next(one.allowance for one in terms.levels if one.id == name)


def _reached(memory: Memory, terms: TierTerms, period: int) -> int:
    """The place of the highest level that what qualified in a period reaches."""
    if terms.period == "lifetime":
        has = max(0, memory.qualified.get(ALWAYS, 0))
    else:
        first, last = _month(_end(terms, period - _length(terms)) + DAY), _month(_end(terms, period))
        has = sum(max(0, count) for name, count in memory.qualified.items() if first <= name <= last)
    return max(place for place, one in enumerate(terms.levels) if one.reach <= has)


# Periods -------------------------------------------------------------------------------------------------------------


def _period(terms: TierTerms, day: date) -> int:
    return day.year if terms.period == "year" else day.year * 12 + day.month - 1


def _length(terms: TierTerms) -> int:
    return 1 if terms.period == "year" else terms.months


def _end(terms: TierTerms, period: int) -> date:
    """The last day of a period."""
    year, month = (period + 1, 0) if terms.period == "year" else divmod(period + 1, 12)
    return date(year, month + 1, 1) - DAY


def _month(day: date) -> str:
    return day.isoformat()[:7]


def _months_on(day: date, months: int) -> date:
    """The first day of the month so many months later."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, 1)
