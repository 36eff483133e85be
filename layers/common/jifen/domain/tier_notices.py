"""What is told of levels: that one was reached, and that one is about to fall. Pure functions of what is remembered.

    reached    told from the day of the rise on, for REACHED_DAYS; after that it is no news any more
    at risk    told from so many days before the fall on, while it would still fall

Each comes with a key (``gold/2026-05-20``: the level with the day of its rise, or its last day), which is another one
once there is something else to tell. The first days are given without a today, as they stand in an index:

    next_reached, next_at_risk ──> (first day, key)        what an account waits for
    reached, at_risk ──> facts or None                     what is told on a day, the key among the facts

A first day lies in the past while a notice was not told; where there are no facts on it any more, it is over.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import TypedDict

from jifen.domain.calendar import DAY
from jifen.domain.rules.model import TierTerms
from jifen.domain.standing import Standing, TierState
from jifen.domain.tiers import falls_on, level_at, level_of, what_keeps

REACHED_DAYS = 14
"""Days for which a rise is news; a run that was missed for a week is caught up within them."""


class TierReachedFacts(TypedDict):
    """A level was reached. ``tier`` is its id, ``title`` its name for people, ``since`` the day of the rise."""

    key: str
    tier: str
    title: str
    since: str


class TierAtRiskFacts(TypedDict):
    """A level falls after ``until`` unless ``missing`` more qualifies until then (0 or more).

    Amounts are of ``by``: ``points``, or ``spend`` in minor units. ``missing`` is None where nothing can keep it.
    """

    key: str
    tier: str
    title: str
    until: str
    falls_to: str
    falls_to_title: str
    by: str
    missing: int | None


def next_reached(standing: Standing, terms: TierTerms) -> tuple[date, str] | None:
    """The day of the rise to the level that is written down, and its key.

    None for the first level, one that was fallen to, and one that is not in ``terms`` any more.
    """
    state = standing.tier
    if state is None or state.fell or all(level.id != state.level for level in terms.levels[1:]):
        return None
    return state.since, f"{state.level}/{state.since.isoformat()}"


def reached(standing: Standing, terms: TierTerms, today: date) -> TierReachedFacts | None:
    """What is told of a level that was reached; None when there is nothing, or when it is no news any more."""
    found = next_reached(standing, terms)
    if found is None or not found[0] <= today < found[0] + timedelta(days=REACHED_DAYS):
        return None
    state = level_of(standing, terms, today)
    if standing.tier is None or state.level != standing.tier.level:
        return None
    return {"key": found[1], "tier": state.level, "title": _title(terms, state), "since": found[0].isoformat()}


def next_at_risk(standing: Standing, terms: TierTerms, days: int) -> tuple[date, str] | None:
    """The first day, ``days`` before the fall, on which it is told that the level written down falls, and its key.

    None where it does not fall; what still qualifies puts it off.
    """
    if standing.tier is None:
        return None
    state = level_of(standing, terms, standing.tier.since)
    falls = falls_on(standing, terms, state)
    return None if falls is None else (falls - timedelta(days=days), _risk_key(state, falls))


def at_risk(standing: Standing, terms: TierTerms, today: date, days: int) -> TierAtRiskFacts | None:
    """What is told of a level that falls in at most ``days`` days; None when it does not, or not so soon.

    Args:
        standing: what is remembered of the member, with or without the level of ``today`` written down.
        terms: the levels in force.
        today: the local day.
        days: how long before its fall a level is at risk.
    """
    state = level_of(standing, terms, today)
    falls = falls_on(standing, terms, state)
    if falls is None or falls - today > timedelta(days=days):
        return None
    last = level_of(standing, terms, falls - DAY)
    to = level_of(standing, terms, falls)
    keeps = what_keeps(standing, terms, last)
    return {
        "key": _risk_key(state, falls),
        "tier": state.level,
        "title": _title(terms, state),
        "until": (falls - DAY).isoformat(),
        "falls_to": to.level,
        "falls_to_title": _title(terms, to),
        "by": terms.by,
        "missing": None if keeps is None else keeps["missing"],
    }


def _risk_key(state: TierState, falls: date) -> str:
    return f"{state.level}/{(falls - DAY).isoformat()}"


def _title(terms: TierTerms, state: TierState) -> str:
    return level_at(terms, state).title or state.level
