"""What is told of levels: that one was reached, and that one falls.

amounts on days ──> level written down ──> first day and key, facts on every day
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from jifen.domain.rules.model import TierTerms
from jifen.domain.standing import Standing, TierState
from jifen.domain.tier_notices import REACHED_DAYS, at_risk, next_at_risk, next_reached, reached
from jifen.domain.tiers import counted, level_of, settled
from tests.domain.test_tiers import (
    FOLLOWING,
    GOLD,
    KEEPING,
    LIFETIME,
    PAGE_LEVELS,
    ROLLING,
    ROLLING_FOLLOWING,
    STEPPING,
    YEAR,
    after,
    on,
)

GOLD_KEY = "gold/2026-05-20"
TERMS = [YEAR, FOLLOWING, STEPPING, KEEPING, LIFETIME, ROLLING, ROLLING_FOLLOWING]


def test_a_rise_is_told_by_its_name() -> None:
    """The facts of a rise name the level, for machines and for people, and the day."""
    terms = replace(YEAR, levels=PAGE_LEVELS)
    standing = after(terms, GOLD)
    assert reached(standing, terms, on("2026-05-20")) == {
        "key": "gold/2026-05-20",
        "tier": "gold",
        "title": "Gold",
        "since": "2026-05-20",
    }
    assert next_reached(standing, terms) == (on("2026-05-20"), "gold/2026-05-20")


@pytest.mark.parametrize(
    ("day", "key"),
    [("2026-05-19", None), ("2026-05-20", GOLD_KEY), ("2026-06-02", GOLD_KEY), ("2026-06-03", None)],
)
def test_a_rise_is_news_for_two_weeks(day: str, key: str | None) -> None:
    """Nobody hears of a rise of long ago once notices of it are switched on."""
    facts = reached(after(YEAR, GOLD), YEAR, on(day))
    assert (facts and facts["key"]) == key


@pytest.mark.parametrize(
    ("terms", "standing", "day"),
    [
        (YEAR, Standing(), "2026-05-20"),
        (YEAR, after(YEAR, ("2026-05-20", 1)), "2026-05-20"),
        (STEPPING, settled(after(STEPPING, GOLD), STEPPING, on("2028-01-01")), "2028-01-01"),
        (FOLLOWING, counted(after(FOLLOWING, GOLD), FOLLOWING, on("2026-05-20"), -1, on("2026-05-21")), "2026-05-21"),
        (YEAR, Standing(tier=TierState("platinum", on("2026-05-20"))), "2026-05-20"),
    ],
    ids=["nobody", "first level", "fell at the end of a year", "fell by a refund", "a level that is gone"],
)
def test_no_rise_is_told(terms: TierTerms, standing: Standing, day: str) -> None:
    """The first level, one that was fallen to and one that is gone are not reached."""
    assert reached(standing, terms, on(day)) is None
    assert next_reached(standing, terms) is None


def test_a_fall_nobody_wrote_down_yet_is_no_rise() -> None:
    """Who was gold until yesterday is not told to have reached it, nor to have reached silver."""
    standing = after(ROLLING_FOLLOWING, ("2026-01-31", 6_000), ("2026-12-25", 4_000))
    assert level_of(standing, ROLLING_FOLLOWING, on("2026-12-31")).level == "gold"
    assert level_of(standing, ROLLING_FOLLOWING, on("2027-01-01")).level == "silver"
    assert reached(standing, ROLLING_FOLLOWING, on("2026-12-31")) is not None
    assert reached(standing, ROLLING_FOLLOWING, on("2027-01-01")) is None


def test_who_rises_again_after_a_fall_is_told_again() -> None:
    """Each rise has a key of its own."""
    fallen = counted(after(FOLLOWING, GOLD), FOLLOWING, on("2026-05-20"), -1, on("2026-06-01"))
    risen = counted(fallen, FOLLOWING, on("2026-06-05"), 1, on("2026-06-05"))
    assert next_reached(risen, FOLLOWING) == (on("2026-06-05"), "gold/2026-06-05")


def test_a_level_at_risk_is_told_with_what_is_missing() -> None:
    """The facts say which level falls to which, after what day, and how much more would keep it."""
    terms = replace(YEAR, levels=PAGE_LEVELS)
    standing = after(terms, GOLD, ("2027-03-01", 4_000))
    assert at_risk(standing, terms, on("2027-12-01"), 30) is None
    assert at_risk(standing, terms, on("2027-12-02"), 30) == {
        "key": "gold/2027-12-31",
        "tier": "gold",
        "title": "Gold",
        "until": "2027-12-31",
        "falls_to": "silver",
        "falls_to_title": "Silver",
        "by": "points",
        "missing": 6_000,
    }
    assert next_at_risk(standing, terms, 30) == (on("2027-12-02"), "gold/2027-12-31")


@pytest.mark.parametrize(
    ("terms", "counts", "days", "expected"),
    [
        (YEAR, [GOLD], 30, ("2027-12-02", "gold/2027-12-31")),
        (YEAR, [GOLD], 0, ("2028-01-01", "gold/2027-12-31")),
        (YEAR, [GOLD, ("2027-02-01", 10_000)], 30, ("2028-12-02", "gold/2028-12-31")),
        (STEPPING, [GOLD], 7, ("2027-12-25", "gold/2027-12-31")),
        (FOLLOWING, [GOLD], 7, ("2026-12-25", "gold/2026-12-31")),
        (ROLLING, [GOLD], 7, ("2027-05-25", "gold/2027-05-31")),
        (ROLLING_FOLLOWING, [GOLD], 7, ("2027-04-24", "gold/2027-04-30")),
        (KEEPING, [GOLD], 30, None),
        (LIFETIME, [GOLD], 30, None),
        (YEAR, [("2026-05-20", 1)], 30, None),
    ],
)
def test_when_a_level_is_at_risk(
    terms: TierTerms, counts: list[tuple[str, int]], days: int, expected: tuple[str, str] | None
) -> None:
    """It is told so many days before the fall, which what qualifies meanwhile puts off; a level that stays never is."""
    found = next_at_risk(after(terms, *counts), terms, days)
    assert found == (expected and (on(expected[0]), expected[1]))


def test_nobody_is_told_what_cannot_be_missed() -> None:
    """Where the next period begins at zero nothing keeps the level, and nothing is said to be missing."""
    facts = at_risk(after(FOLLOWING, GOLD), FOLLOWING, on("2026-12-25"), 7)
    assert facts is not None
    assert (facts["falls_to"], facts["missing"]) == ("member", None)


def test_nobody_is_told_anything_without_a_level() -> None:
    """A member whom nobody has seen has no level to lose."""
    assert next_at_risk(Standing(), YEAR, 30) is None
    assert at_risk(Standing(), YEAR, on("2027-12-31"), 30) is None


START = on("2026-01-01")
STEPS = st.lists(st.tuples(st.integers(0, 200), st.integers(-6_000, 9_000)), min_size=1, max_size=6)
RISING = st.lists(st.tuples(st.integers(0, 200), st.integers(0, 9_000)), min_size=1, max_size=6)


def _lived(terms: TierTerms, steps: list[tuple[int, int]]) -> tuple[Standing, date]:
    """A standing after amounts, with so many days between them, and its last day."""
    standing, day = Standing(), START
    for later, amount in steps:
        day += timedelta(days=later)
        standing = counted(standing, terms, day, amount, day)
    return standing, day


@given(st.sampled_from(TERMS), STEPS, st.integers(0, 366), st.integers(0, 1_200))
def test_the_date_in_the_index_is_the_day_it_is_told(
    terms: TierTerms, steps: list[tuple[int, int]], days: int, later: int
) -> None:
    """As long as the level stands as it is written down, its risk is told from the day in the index on, and not before.

    Nothing is missed by who looks only when the index says so, and nobody is looked at every night for nothing.
    """
    standing, day = _lived(terms, steps)
    today = day + timedelta(days=later)
    assume(standing.tier is not None and level_of(standing, terms, today).level == standing.tier.level)
    found, facts = next_at_risk(standing, terms, days), at_risk(standing, terms, today, days)
    assert (facts is not None) == (found is not None and found[0] <= today)
    if facts is not None and found is not None:
        assert facts["key"] == found[1]
        assert level_of(standing, terms, on(facts["until"])).level == facts["tier"]
        assert level_of(standing, terms, on(facts["until"]) + timedelta(days=1)).level == facts["falls_to"]


@given(st.sampled_from([YEAR, STEPPING, ROLLING, ROLLING_FOLLOWING]), RISING)
def test_what_is_missing_keeps_the_level(terms: TierTerms, steps: list[tuple[int, int]]) -> None:
    """Who does what is said to be missing, and comes before the end, keeps the level."""
    standing, today = _lived(terms, [*steps, (0, 2_000)])
    facts = at_risk(standing, terms, today, 10_000)
    assert facts is not None
    assert facts["missing"] is not None
    last = on(facts["until"])
    kept = counted(standing, terms, last, facts["missing"], last)
    assert facts["tier"] == level_of(kept, terms, last + timedelta(days=1)).level


@given(st.sampled_from(TERMS), STEPS)
def test_only_a_rise_is_reached(terms: TierTerms, steps: list[tuple[int, int]]) -> None:
    """After every amount, what is told as reached is a level that the member rose to, on that day."""
    ranks = {level.id: rank for rank, level in enumerate(terms.levels)}
    standing, day, risen = Standing(), START, None
    for later, amount in steps:
        day += timedelta(days=later)
        before = ranks[level_of(standing, terms, day).level]
        standing = counted(standing, terms, day, amount, day)
        now = level_of(standing, terms, day)
        if ranks[now.level] > before:
            risen = (day, now.level)
        elif ranks[now.level] < before or (standing.tier and standing.tier.fell):
            risen = None
        found = next_reached(standing, terms)
        assert found == (risen and (risen[0], f"{risen[1]}/{risen[0].isoformat()}"))
        told = reached(standing, terms, day)
        assert (told is not None) == (risen is not None and (day - risen[0]).days < REACHED_DAYS)
