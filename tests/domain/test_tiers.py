"""Levels: how members rise and fall, what they are given each month, and what they see.

amounts on days, with or without anyone looking in between ──> the same level, since and until
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from fractions import Fraction
from pathlib import Path
from typing import get_type_hints

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from jifen.domain.member_views import TierView
from jifen.domain.program import parse_program
from jifen.domain.rules.model import Level, TierTerms
from jifen.domain.standing import Standing, TierState
from jifen.domain.tiers import ALLOWANCES_MAX, allowance_due, counted, level_of, next_due_on, settled, view

DAY = timedelta(days=1)
LEVELS = (
    Level("member", 0),
    Level("silver", 2_000),
    Level(
        "gold", 10_000, allowance=500, multiplier=Fraction("1.2"), discount=Fraction("0.10"), services=("gift wrap",)
    ),
)
PAGE_LEVELS = (
    LEVELS[0],
    replace(LEVELS[1], title="Silver"),
    replace(LEVELS[2], title="Gold", services=("free returns",)),
)
YEAR = TierTerms(LEVELS)
ROLLING = TierTerms(LEVELS, period="months", months=12)
LIFETIME = TierTerms(LEVELS, period="lifetime")
FOLLOWING = replace(YEAR, downgrade="at_once")
ROLLING_FOLLOWING = replace(ROLLING, downgrade="at_once")
STEPPING = replace(YEAR, downgrade="one_step")
KEEPING = replace(YEAR, downgrade="never")

Counts = Sequence[tuple[str, int]]


def on(text: str) -> date:
    """The day that a text names."""
    return date.fromisoformat(text)


def after(terms: TierTerms, *counts: tuple[str, int], standing: Standing | None = None) -> Standing:
    """The standing after so much was counted on each of the days."""
    standing = standing or Standing()
    for day, amount in counts:
        standing = counted(standing, terms, on(day), amount, on(day))
    return standing


def told(standing: Standing, terms: TierTerms, day: str) -> tuple[str, str, str | None]:
    """Level, since and until on a day."""
    state = level_of(standing, terms, on(day))
    return state.level, state.since.isoformat(), None if state.until is None else state.until.isoformat()


# Tables ---------------------------------------------------------------------------------------------------------------

GOLD = ("2026-05-20", 10_000)


@pytest.mark.parametrize(
    ("terms", "counts", "day", "expected"),
    [
        # By the year, kept to the end of the next.
        (YEAR, [("2026-05-20", 9_999)], "2026-05-20", ("silver", "2026-05-20", "2027-12-31")),
        (YEAR, [("2026-03-01", 4_000), GOLD], "2026-05-20", ("gold", "2026-05-20", "2027-12-31")),
        (YEAR, [GOLD], "2026-12-31", ("gold", "2026-05-20", "2027-12-31")),
        (YEAR, [GOLD], "2027-12-31", ("gold", "2026-05-20", "2027-12-31")),
        (YEAR, [GOLD], "2028-01-01", ("member", "2028-01-01", None)),
        (YEAR, [GOLD, ("2027-06-01", 3_000)], "2028-01-01", ("silver", "2028-01-01", "2028-12-31")),
        (YEAR, [GOLD, ("2027-06-01", 3_000)], "2031-07-01", ("member", "2029-01-01", None)),
        (YEAR, [GOLD, ("2027-12-31", 10_000)], "2028-01-01", ("gold", "2026-05-20", "2028-12-31")),
        (YEAR, [("2026-12-31", 10_000)], "2027-12-31", ("gold", "2026-12-31", "2027-12-31")),
        (YEAR, [("2026-12-31", 5_000), ("2027-01-01", 5_000)], "2027-01-01", ("silver", "2026-12-31", "2027-12-31")),
        (YEAR, [GOLD, ("2028-01-01", 2_500)], "2028-01-01", ("silver", "2028-01-01", "2029-12-31")),
        # One level at a time.
        (STEPPING, [GOLD], "2027-12-31", ("gold", "2026-05-20", "2027-12-31")),
        (STEPPING, [GOLD], "2028-01-01", ("silver", "2028-01-01", "2028-12-31")),
        (STEPPING, [GOLD], "2029-01-01", ("member", "2029-01-01", None)),
        (STEPPING, [GOLD], "2040-01-01", ("member", "2029-01-01", None)),
        # At once: a year begins at zero.
        (FOLLOWING, [GOLD], "2026-12-31", ("gold", "2026-05-20", "2026-12-31")),
        (FOLLOWING, [GOLD], "2027-01-01", ("member", "2027-01-01", None)),
        # Never.
        (KEEPING, [GOLD], "2100-01-01", ("gold", "2026-05-20", None)),
        (KEEPING, [GOLD, ("2026-06-01", -10_000)], "2026-06-01", ("gold", "2026-05-20", None)),
        # The last twelve months, kept for the twelve after the month it was reached in.
        (ROLLING, [("2025-12-10", 4_000), ("2026-11-10", 6_000)], "2026-11-10", ("gold", "2026-11-10", "2027-11-30")),
        (ROLLING, [("2025-11-30", 4_000), ("2026-11-01", 6_000)], "2026-11-01", ("silver", "2025-11-30", "2026-11-30")),
        (ROLLING, [("2026-11-10", 10_000)], "2027-12-01", ("member", "2027-12-01", None)),
        (
            ROLLING,
            [("2026-11-10", 10_000), ("2026-12-01", 10_000)],
            "2027-12-01",
            ("gold", "2026-11-10", "2028-11-30"),
        ),
        (
            ROLLING_FOLLOWING,
            [("2026-02-10", 3_000), ("2026-11-10", 7_000)],
            "2027-01-31",
            ("gold", "2026-11-10", "2027-01-31"),
        ),
        (
            ROLLING_FOLLOWING,
            [("2026-02-10", 3_000), ("2026-11-10", 7_000)],
            "2027-03-05",
            ("silver", "2027-02-01", "2027-10-31"),
        ),
        # For ever.
        (LIFETIME, [("2001-01-01", 6_000), ("2026-05-20", 4_000)], "2090-01-01", ("gold", "2026-05-20", None)),
        (LIFETIME, [GOLD, ("2026-06-01", -1)], "2090-01-01", ("gold", "2026-05-20", None)),
        (
            replace(LIFETIME, downgrade="at_once"),
            [GOLD, ("2026-06-01", -1)],
            "2090-01-01",
            ("silver", "2026-06-01", None),
        ),
        # 29 February.
        (ROLLING, [("2028-02-29", 10_000)], "2029-02-28", ("gold", "2028-02-29", "2029-02-28")),
        (ROLLING, [("2027-02-28", 10_000)], "2028-02-29", ("gold", "2027-02-28", "2028-02-29")),
        (ROLLING, [("2027-02-28", 10_000)], "2028-03-01", ("member", "2028-03-01", None)),
    ],
)
def test_levels(terms: TierTerms, counts: Counts, day: str, expected: tuple[str, str, str | None]) -> None:
    """Members rise with the posting and fall with the first day of a year or month, under each policy."""
    assert told(after(terms, *counts), terms, day) == expected


@pytest.mark.parametrize(
    ("terms", "day", "expected"),
    [
        (YEAR, "2026-06-01", ("gold", "2026-05-20", "2027-12-31")),
        (YEAR, "2028-01-01", ("member", "2028-01-01", None)),
        (STEPPING, "2026-06-01", ("gold", "2026-05-20", "2027-12-31")),
        (ROLLING, "2026-06-01", ("gold", "2026-05-20", "2027-05-31")),
        (FOLLOWING, "2026-06-01", ("silver", "2026-06-01", "2026-12-31")),
        (ROLLING_FOLLOWING, "2026-06-01", ("silver", "2026-06-01", "2027-04-30")),
    ],
)
def test_refunds(terms: TierTerms, day: str, expected: tuple[str, str, str | None]) -> None:
    """A refund below the threshold takes the level at once only where the policy says so."""
    standing = after(terms, GOLD)
    refunded = counted(standing, terms, on("2026-05-20"), -6_000, on("2026-06-01"))
    assert told(refunded, terms, day) == expected


def test_what_was_decided_is_not_decided_again_by_a_refund() -> None:
    """Gold that 2027 confirmed for 2028 stays through 2028, though nobody looked before 2027 was refunded."""
    standing = after(YEAR, GOLD, ("2027-06-01", 10_000))
    refunded = counted(standing, YEAR, on("2027-06-01"), -10_000, on("2028-03-01"))
    assert told(refunded, YEAR, "2028-03-01") == ("gold", "2026-05-20", "2028-12-31")
    assert told(refunded, YEAR, "2029-01-01") == ("member", "2029-01-01", None)


def test_a_refund_makes_a_member_fall_on_its_day() -> None:
    """Under at_once a level is lost on the day of the refund, whatever the months before hold without it."""
    standing = after(ROLLING_FOLLOWING, ("2026-03-10", 10_000), ("2026-05-10", 3_000))
    refunded = counted(standing, ROLLING_FOLLOWING, on("2026-03-10"), -10_000, on("2026-07-20"))
    assert told(refunded, ROLLING_FOLLOWING, "2026-07-20") == ("silver", "2026-07-20", "2027-04-30")


def test_a_refund_counts_in_the_month_of_its_order() -> None:
    """A refund in January takes nothing from what qualifies in the new year."""
    standing = after(YEAR, ("2026-12-20", 3_000), ("2027-01-10", 2_000))
    refunded = counted(standing, YEAR, on("2026-12-20"), -3_000, on("2027-01-15"))
    assert refunded.qualified == {"2027-01": 2_000, "all": 2_000}


def test_a_refund_of_what_never_counted_takes_nothing_from_other_months() -> None:
    """A month below zero is read as zero; what is counted in it later makes up for it first."""
    standing = after(YEAR, ("2026-01-10", -5_000), ("2026-02-10", 2_000))
    assert told(standing, YEAR, "2026-02-10") == ("silver", "2026-02-10", "2027-12-31")
    assert counted(standing, YEAR, on("2026-01-10"), 5_000, on("2026-02-11")).qualified == {
        "2026-02": 2_000,
        "all": 2_000,
    }


def test_an_order_that_arrives_in_the_new_year_counts_for_its_own() -> None:
    """An order of 31 December that arrives on 2 January gives the level that its year qualifies for, for this year."""
    standing = after(YEAR, ("2026-06-01", 6_000))
    late = counted(standing, YEAR, on("2026-12-31"), 4_000, on("2027-01-02"))
    assert told(late, YEAR, "2027-01-02") == ("gold", "2027-01-02", "2027-12-31")


def test_the_order_that_crosses_a_threshold_earns_at_the_level_before() -> None:
    """PC-026: a level's rates apply from its threshold on, and not to the order that reaches it."""
    terms = TierTerms((Level("none", 0), Level("one", 100_000), Level("two", 300_000)), by="spend", period="lifetime")
    levels = []
    standing = Standing()
    for amount in (20_000, 196_000, 90_000, 1_000):
        levels.append(level_of(standing, terms, on("2026-05-20")).level)
        standing = counted(standing, terms, on("2026-05-20"), amount, on("2026-05-20"))
    assert levels == ["none", "none", "one", "two"]


def test_a_day_before_the_level_was_reached_is_answered_as_that_day() -> None:
    """A clock behind the one that wrote the level changes nothing."""
    for terms in (YEAR, FOLLOWING, ROLLING, ROLLING_FOLLOWING):
        standing = after(terms, ("2027-01-01", 10_000))
        assert level_of(standing, terms, on("2026-12-31")) == standing.tier


# Other terms ----------------------------------------------------------------------------------------------------------


def test_a_level_that_is_gone_falls_to_the_one_that_qualifies() -> None:
    """A level whose id is not in the terms any more is replaced by what qualifies today."""
    standing = after(YEAR, GOLD)
    terms = replace(YEAR, levels=(*LEVELS[:2], Level("platinum", 50_000)))
    assert told(standing, terms, "2026-07-01") == ("silver", "2026-07-01", "2027-12-31")
    assert told(standing, terms, "2028-07-01") == ("member", "2028-07-01", None)


def test_a_threshold_that_rises_takes_the_level_at_its_end() -> None:
    """Who has a level keeps it as long as was promised, whatever it takes now."""
    standing = after(YEAR, GOLD)
    terms = replace(YEAR, levels=(*LEVELS[:2], replace(LEVELS[2], reach=20_000)))
    assert told(standing, terms, "2027-12-31") == ("gold", "2026-05-20", "2027-12-31")
    assert told(standing, terms, "2028-01-01") == ("member", "2028-01-01", None)


@pytest.mark.parametrize(
    ("before", "now", "day", "expected"),
    [
        (KEEPING, YEAR, "2027-12-31", ("gold", "2026-05-20", "2027-12-31")),
        (KEEPING, YEAR, "2028-01-01", ("member", "2028-01-01", None)),
        (YEAR, KEEPING, "2028-01-01", ("gold", "2026-05-20", None)),
        (YEAR, LIFETIME, "2028-01-01", ("gold", "2026-05-20", None)),
        (ROLLING, YEAR, "2027-12-31", ("gold", "2026-05-20", "2027-12-31")),
        (YEAR, FOLLOWING, "2027-01-01", ("member", "2027-01-01", None)),
        (FOLLOWING, YEAR, "2027-01-01", ("gold", "2026-05-20", "2027-12-31")),
    ],
)
def test_another_policy(before: TierTerms, now: TierTerms, day: str, expected: tuple[str, str, str | None]) -> None:
    """A level without an end gets the one it would have had; one that ends inside a period is kept to its end."""
    assert told(after(before, GOLD), now, day) == expected


# Counting -------------------------------------------------------------------------------------------------------------


def test_months_that_no_period_needs_are_dropped() -> None:
    """Two years of months are kept, or as many as the period has and one; the lifetime sum keeps everything."""
    months = [(f"{year}-{month:02d}-15", 1) for year in (2023, 2024, 2025, 2026) for month in range(1, 13)]
    for terms, kept in ((YEAR, 24), (replace(ROLLING, months=36), 37)):
        qualified = after(terms, *months).qualified
        assert (len(qualified), qualified["all"], min(qualified)) == (
            kept + 1,
            48,
            "2025-01" if kept == 24 else "2023-12",
        )


def test_what_comes_too_late_counts_for_the_lifetime_only() -> None:
    """An amount for a month that is not kept is added to the sum of all."""
    standing = after(YEAR, ("2026-05-20", 5))
    assert counted(standing, YEAR, on("2024-05-31"), 7, on("2026-05-21")).qualified == {"2026-05": 5, "all": 12}
    assert counted(standing, YEAR, on("2024-06-01"), 7, on("2026-05-21")).qualified["2024-06"] == 7


# The allowance --------------------------------------------------------------------------------------------------------


def swept(standing: Standing, terms: TierTerms, day: date) -> tuple[Standing, list[tuple[str, int]]]:
    """A sweep of one account: give every allowance that is due, then write down the level."""
    given = []
    while due := allowance_due(standing, terms, day):
        given.append(due)
        standing = replace(standing, allowance=due[0])
    return settled(standing, terms, day), given


@pytest.mark.parametrize(
    ("reached", "day", "expected"),
    [
        ("2026-05-20", "2026-05-31", []),
        ("2026-05-20", "2026-06-01", ["2026-06"]),
        ("2026-05-01", "2026-05-31", []),
        ("2026-12-31", "2027-01-01", ["2027-01"]),
        ("2028-02-29", "2028-02-29", []),
        ("2028-02-29", "2028-03-01", ["2028-03"]),
        ("2026-05-20", "2026-08-15", ["2026-06", "2026-07", "2026-08"]),
        ("2026-05-20", "2028-01-05", ["2027-02", *(f"2027-{month:02d}" for month in range(3, 13))]),
    ],
)
def test_allowances(reached: str, day: str, expected: list[str]) -> None:
    """The first comes with the next first day of a month; missed ones are made up for, at most twelve months back."""
    standing, given = swept(after(YEAR, (reached, 10_000)), YEAR, on(day))
    assert given == [(month, 500) for month in expected]
    assert swept(standing, YEAR, on(day)) == (standing, [])


def test_an_allowance_that_is_new_begins_with_the_current_month() -> None:
    """Who has had the level for long is not paid for the time before it had an allowance."""
    without = replace(YEAR, levels=(*LEVELS[:2], replace(LEVELS[2], allowance=0)))
    standing = after(without, GOLD)
    assert allowance_due(standing, YEAR, on("2026-11-15")) == ("2026-11", 500)
    assert allowance_due(standing, YEAR, on("2026-05-31")) is None


def test_a_level_left_and_reached_again_in_a_month_is_paid_once() -> None:
    """A refund and another order in the same month do not give the month's allowance again."""
    standing, given = swept(after(FOLLOWING, GOLD), FOLLOWING, on("2026-06-01"))
    assert given == [("2026-06", 500)]
    standing = after(FOLLOWING, ("2026-06-01", 0), standing=standing)
    standing = counted(standing, FOLLOWING, on("2026-05-20"), -1, on("2026-06-01"))
    standing = counted(standing, FOLLOWING, on("2026-06-01"), 1, on("2026-06-01"))
    assert swept(standing, FOLLOWING, on("2026-06-30"))[1] == []
    assert swept(standing, FOLLOWING, on("2026-07-01"))[1] == [("2026-07", 500)]


def test_rising_between_levels_with_an_allowance_loses_no_month() -> None:
    """Who rises on the first, before the sweep came, gets the month's allowance, of the new level."""
    terms = replace(YEAR, levels=(LEVELS[0], replace(LEVELS[1], allowance=100), LEVELS[2]))
    standing, _ = swept(after(terms, ("2026-03-10", 2_000)), terms, on("2026-04-01"))
    risen = after(terms, ("2026-05-01", 8_000), standing=standing)
    assert swept(risen, terms, on("2026-05-01"))[1] == [("2026-05", 500)]
    paid, _ = swept(standing, terms, on("2026-05-01"))
    assert swept(after(terms, ("2026-05-02", 8_000), standing=paid), terms, on("2026-06-01"))[1] == [("2026-06", 500)]


def test_falling_to_a_level_with_an_allowance_begins_with_the_day_of_the_fall() -> None:
    """A month is paid by the level of its first day, also where the sweep comes days later."""
    terms = replace(STEPPING, levels=(LEVELS[0], replace(LEVELS[1], allowance=100), LEVELS[2]))
    standing = replace(after(terms, GOLD), allowance="2027-11")
    assert swept(standing, terms, on("2028-02-03"))[1] == [("2027-12", 500), ("2028-01", 100), ("2028-02", 100)]


def test_the_month_of_a_fall_is_paid_once() -> None:
    """Who falls on the first to the only level with an allowance gets that month's, written down before or after."""
    terms = replace(STEPPING, levels=(LEVELS[0], replace(LEVELS[1], allowance=100), replace(LEVELS[2], allowance=0)))
    fallen = after(terms, GOLD)
    day = on("2028-01-01")
    standing, given = swept(fallen, terms, day)
    assert given == [("2028-01", 100)]
    assert swept(standing, terms, day)[1] == []
    assert swept(settled(fallen, terms, day), terms, day)[1] == [("2028-01", 100)]


def test_an_allowance_that_ended_long_ago_is_not_made_up_for_at_another_level() -> None:
    """Who rises from a level that has no allowance any more begins with the next month."""
    standing = replace(after(YEAR, ("2026-01-10", 2_000)), allowance="2026-02")
    risen = after(YEAR, ("2026-09-10", 8_000), standing=standing)
    assert swept(risen, YEAR, on("2026-10-01"))[1] == [("2026-10", 500)]


def test_a_level_without_an_allowance_forgets_the_last_one() -> None:
    """Who fell out of the allowance is not paid for the months since when the lower level gets one."""
    standing = replace(after(STEPPING, GOLD), allowance="2028-01")
    fallen, _ = swept(standing, STEPPING, on("2028-01-01"))
    terms = replace(STEPPING, levels=(LEVELS[0], replace(LEVELS[1], allowance=100), LEVELS[2]))
    assert swept(fallen, terms, on("2028-11-15"))[1] == [("2028-11", 100)]


def test_an_allowance_of_the_first_level_begins_after_the_member_is_known() -> None:
    """A member whose level was never written down is due for that, and paid from the next month on."""
    terms = replace(YEAR, levels=(replace(LEVELS[0], allowance=5), *LEVELS[1:]))
    first = on("2026-06-01")
    assert (allowance_due(Standing(), terms, first), next_due_on(Standing(), terms, first)) == (None, first)
    standing, given = swept(Standing(), terms, first)
    assert (given, next_due_on(standing, terms, first)) == ([], on("2026-07-01"))
    assert swept(standing, terms, on("2026-07-01"))[1] == [("2026-07", 5)]


@pytest.mark.parametrize(
    ("terms", "standing", "day", "expected"),
    [
        (YEAR, Standing(), "2026-05-20", None),
        (YEAR, after(YEAR, ("2026-05-20", 10)), "2026-05-20", None),
        (YEAR, after(YEAR, ("2026-05-20", 2_000)), "2026-05-20", "2028-01-01"),
        (YEAR, after(YEAR, ("2026-05-20", 2_000), ("2027-01-01", 2_000)), "2027-01-01", "2029-01-01"),
        (YEAR, after(YEAR, GOLD), "2026-05-20", "2026-06-01"),
        (YEAR, after(YEAR, GOLD), "2026-06-02", "2026-06-02"),
        (YEAR, replace(after(YEAR, GOLD), allowance="2027-12"), "2027-12-01", "2028-01-01"),
        (KEEPING, after(KEEPING, ("2026-05-20", 2_000)), "2026-05-20", None),
        (LIFETIME, after(LIFETIME, ("2026-05-20", 2_000)), "2026-05-20", None),
        (YEAR, after(YEAR, ("2026-05-20", 2_000)), "2030-01-01", "2030-01-01"),
        (YEAR, Standing(qualified={"2026-05": 2_000}), "2026-05-20", "2026-05-20"),
    ],
)
def test_next_due(terms: TierTerms, standing: Standing, day: str, expected: str | None) -> None:
    """A sweep comes for an allowance and for the end of a level, and not where a level goes on."""
    assert next_due_on(standing, terms, on(day)) == (expected and on(expected))


# The view -------------------------------------------------------------------------------------------------------------


def test_the_view_of_a_level() -> None:
    """A member sees the level, the way up, what keeps it, and what it gives."""
    standing = after(YEAR, GOLD, ("2027-03-01", 4_000))
    assert view(standing, YEAR, on("2027-03-02")) == {
        "level": "gold",
        "title": "gold",
        "since": "2026-05-20",
        "until": "2027-12-31",
        "next": None,
        "keeps": {
            "needs": 10_000,
            "has": 4_000,
            "missing": 6_000,
            "counts_from": "2027-01-01",
            "by": "2027-12-31",
        },
        "warning": None,
        "benefits": {"multiplier": "1.2", "discount": "0.1", "services": ["gift wrap"], "allowance": 500},
    }


def test_the_view_of_the_first_level() -> None:
    """Who has nothing sees the way to the second level; nothing ends."""
    terms = replace(YEAR, levels=(LEVELS[0], replace(LEVELS[1], title="Silver"), LEVELS[2]))
    assert view(Standing(), terms, on("2026-05-20")) == {
        "level": "member",
        "title": "member",
        "since": "2026-05-20",
        "until": None,
        "next": {"level": "silver", "title": "Silver", "needs": 2_000, "has": 0, "missing": 2_000},
        "keeps": None,
        "warning": None,
        "benefits": {"multiplier": None, "discount": None, "services": [], "allowance": 0},
    }


def test_the_view_has_the_fields_of_its_shape() -> None:
    """What is shown is what the API says is shown."""
    assert view(after(YEAR, GOLD), YEAR, on("2026-05-20")).keys() == get_type_hints(TierView).keys()


@pytest.mark.parametrize(
    ("terms", "counts", "day", "expected"),
    [
        (YEAR, [GOLD], "2027-12-01", None),
        (YEAR, [GOLD], "2027-12-02", {"drops_to": "member", "on": "2028-01-01", "missing": 10_000}),
        (
            YEAR,
            [GOLD, ("2027-06-01", 9_990)],
            "2027-12-31",
            {"drops_to": "silver", "on": "2028-01-01", "missing": 10},
        ),
        (YEAR, [GOLD, ("2027-06-01", 10_000)], "2027-12-31", None),
        (STEPPING, [GOLD], "2027-12-31", {"drops_to": "silver", "on": "2028-01-01", "missing": 10_000}),
        (replace(YEAR, warn_days=0), [GOLD], "2027-12-31", None),
        (KEEPING, [GOLD], "2027-12-31", None),
        (FOLLOWING, [GOLD], "2026-12-31", {"drops_to": "member", "on": "2027-01-01", "missing": None}),
        (
            ROLLING_FOLLOWING,
            [("2026-02-10", 3_000), ("2026-11-10", 7_500)],
            "2027-01-31",
            {"drops_to": "silver", "on": "2027-02-01", "missing": 2_500},
        ),
    ],
)
def test_warnings(terms: TierTerms, counts: Counts, day: str, expected: dict[str, object] | None) -> None:
    """A member is warned so many days before a level falls, with what would keep it."""
    assert view(after(terms, *counts), terms, on(day)).get("warning") == expected


# Laws -----------------------------------------------------------------------------------------------------------------

BEGINS = on("2026-01-15")
TERMS = st.builds(
    TierTerms,
    levels=st.lists(
        st.tuples(st.integers(1, 40), st.sampled_from([0, 0, 7])),
        min_size=0,
        max_size=4,
        unique_by=lambda level: level[0],
    ).map(
        lambda drawn: (
            Level("l0", 0),
            *(Level(f"l{number}", reach, allowance) for number, (reach, allowance) in enumerate(sorted(drawn), 1)),
        )
    ),
    period=st.sampled_from(["year", "months", "lifetime"]),
    months=st.sampled_from([1, 3, 12, 30]),
    downgrade=st.sampled_from(["period_end", "one_step", "at_once", "never"]),
)
ACTS = st.lists(st.tuples(st.integers(0, 500), st.integers(0, 80), st.integers(-20, 30)), max_size=8)
"""What is counted: so many days after the last, for a day so many days before, how much."""
LATER = st.integers(0, 2_000)


def lived(terms: TierTerms, acts: Sequence[tuple[int, int, int]], looks: Sequence[int] = ()) -> tuple[Standing, date]:
    """The standing after these acts, and the day of the last; in between it is written down on the days ``looks``."""
    today, standing = BEGINS, settled(Standing(), terms, BEGINS)
    for days, back, amount in acts:
        for look in sorted(look for look in looks if look <= days):
            standing = settled(standing, terms, today + look * DAY)
        today += days * DAY
        standing = counted(standing, terms, today - back * DAY, amount, today)
    return standing, today


@given(TERMS, ACTS, LATER)
def test_a_level_that_is_written_down_stays(terms: TierTerms, acts: list[tuple[int, int, int]], later: int) -> None:
    """Writing down the level of a day changes nothing about that day."""
    standing, today = lived(terms, acts)
    day = today + later * DAY
    assert level_of(settled(standing, terms, day), terms, day) == level_of(standing, terms, day)


@given(TERMS, ACTS, st.lists(st.integers(0, 500), max_size=6), LATER, st.lists(LATER, max_size=6))
def test_nobody_has_to_look(
    terms: TierTerms, acts: list[tuple[int, int, int]], looks: list[int], later: int, last_looks: list[int]
) -> None:
    """However often the level was written down in between, it is the same, with the same days."""
    standing, today = lived(terms, acts)
    looked_at, _ = lived(terms, acts, looks)
    for look in sorted(look for look in last_looks if look <= later):
        looked_at = settled(looked_at, terms, today + look * DAY)
    day = today + later * DAY
    assert level_of(looked_at, terms, day) == level_of(standing, terms, day)


@given(TERMS, TERMS, ACTS, LATER)
def test_any_level_under_any_terms(
    before: TierTerms, now: TierTerms, acts: list[tuple[int, int, int]], later: int
) -> None:
    """Under terms that changed the level is one of the new ones, stays when it is written down, and has not ended."""
    standing, today = lived(before, acts)
    day = today + later * DAY
    state = level_of(standing, now, day)
    assert state.level in {level.id for level in now.levels}
    assert state.since <= day
    assert state.until is None or state.until >= day
    assert level_of(settled(standing, now, day), now, day) == state


@given(TERMS, ACTS)
def test_a_rise_is_at_once(terms: TierTerms, acts: list[tuple[int, int, int]]) -> None:
    """Nobody is below what qualifies today; under at_once nobody is above it, and a lifetime counts everything."""
    standing, today = lived(terms, acts)
    first = {
        "year": f"{today.year}-01",
        "lifetime": "",
        "months": f"{(index := today.year * 12 + today.month - terms.months) // 12}-{index % 12 + 1:02d}",
    }[terms.period]
    total = sum(
        max(0, amount)
        for month, amount in standing.qualified.items()
        if (month == "all") == (terms.period == "lifetime")
        and first <= month <= ("~" if not first else f"{today:%Y-%m}")
    )
    qualifies = max(rank for rank, level in enumerate(terms.levels) if level.reach <= total)
    rank = [level.id for level in terms.levels].index(level_of(standing, terms, today).level)
    assert rank == qualifies if terms.downgrade == "at_once" else rank >= qualifies


@given(TERMS, ACTS, st.lists(st.tuples(st.integers(0, 400), st.integers(-60, 0)), max_size=5))
def test_a_promise_is_kept(terms: TierTerms, acts: list[tuple[int, int, int]], refunds: list[tuple[int, int]]) -> None:
    """Until the day that was named no refund takes a level, but under at_once."""
    assume(terms.downgrade != "at_once")
    standing, today = lived(terms, acts)
    state = level_of(standing, terms, today)
    day = today
    for days, amount in refunds:
        if state.until is not None and day + days * DAY > state.until:
            break
        day += days * DAY
        standing = counted(standing, terms, today, amount, day)
    assert level_of(standing, terms, day) == state


@given(TERMS, ACTS, st.permutations(range(8)))
def test_what_is_counted_on_a_day_is_a_sum(
    terms: TierTerms, acts: list[tuple[int, int, int]], order: list[int]
) -> None:
    """Amounts of one day add up to the same in any order."""
    sums = []
    for picked in (range(len(acts)), [place for place in order if place < len(acts)]):
        standing = Standing()
        for place in picked:
            _, back, amount = acts[place]
            standing = counted(standing, terms, BEGINS - back * DAY, amount, BEGINS)
        sums.append(standing.qualified)
    assert sums[0] == sums[1]


@given(TERMS, ACTS, LATER)
def test_a_sweep_has_nothing_to_do_before_its_day(
    terms: TierTerms, acts: list[tuple[int, int, int]], later: int
) -> None:
    """Before the next day due nothing changes and nothing is owed; on it something does."""
    standing, today = lived(terms, acts)
    standing, _ = swept(standing, terms, today)
    due = next_due_on(standing, terms, today)
    assert standing.tier is not None
    assert due is None or due > today
    day = today + later * DAY
    if due is not None and day >= due:
        assert allowance_due(standing, terms, due) or level_of(standing, terms, due).level != standing.tier.level
        day = due - DAY
    assert allowance_due(standing, terms, day) is None
    assert level_of(standing, terms, day).level == standing.tier.level


@given(TERMS, ACTS, st.lists(st.integers(0, 330), min_size=1, max_size=6))
def test_a_sweep_that_comes_late_gives_the_same(
    terms: TierTerms, acts: list[tuple[int, int, int]], gaps: list[int]
) -> None:
    """Sweeps with gaps of up to eleven months give every month's allowance once, as sweeps on every due day do."""
    standing, today = lived(terms, acts)
    standing, _ = swept(standing, terms, today)
    late, given_late, day = standing, list[tuple[str, int]](), today
    for gap in gaps:
        day += gap * DAY
        late, given = swept(late, terms, day)
        given_late += given
    prompt, given_promptly = standing, list[tuple[str, int]]()
    while (due := next_due_on(prompt, terms, today)) is not None and due <= day:
        prompt, given = swept(prompt, terms, due)
        given_promptly += given
    assert given_late == given_promptly
    assert len({month for month, _ in given_late}) == len(given_late)


@given(TERMS, ACTS, LATER)
def test_what_is_due_at_once_is_bounded(terms: TierTerms, acts: list[tuple[int, int, int]], later: int) -> None:
    """However long no sweep came, no more than a year of allowances is given."""
    standing, today = lived(terms, acts)
    assert len(swept(standing, terms, today + later * DAY)[1]) <= ALLOWANCES_MAX


@given(TERMS, ACTS, st.integers(0, 400))
def test_what_keeps_a_level_keeps_it(terms: TierTerms, acts: list[tuple[int, int, int]], later: int) -> None:
    """Who adds what is missing by the day it is asked for does not fall; who adds one less does."""
    terms = replace(terms, levels=(*terms.levels, Level("top", 41)))
    standing, today = lived(terms, [*acts, (0, 0, 60)])
    day = today + later * DAY
    seen = view(standing, terms, day)
    ranks = [level.id for level in terms.levels]
    if keeps := seen["keeps"]:
        by = on(keeps["by"])
        assert on(keeps["counts_from"]) <= by
        enough = counted(standing, terms, by, keeps["missing"], by)
        assert ranks.index(level_of(enough, terms, by + DAY).level) >= ranks.index(seen["level"])
        if keeps["missing"]:
            short = counted(standing, terms, by, keeps["missing"] - 1, by)
            assert ranks.index(level_of(short, terms, by + DAY).level) < ranks.index(seen["level"])
    else:
        assert seen["warning"] is None or seen["warning"]["missing"] is None


def test_a_state_without_terms_for_it_is_the_first_level() -> None:
    """A level with no name that is known, and nothing that qualifies, is the first level from today."""
    standing = Standing(tier=TierState("ghost", on("2020-02-29")))
    assert told(standing, YEAR, "2026-02-28") == ("member", "2026-02-28", None)


# The page -------------------------------------------------------------------------------------------------------------

PAGE = (Path(__file__).parents[2] / "docs" / "tiers.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("text", re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL))
def test_the_programs_of_the_page_are_programs(text: str) -> None:
    """Each program that the page shows is read without a fault."""
    assert parse_program(json.loads(text)) is not None


def test_the_member_of_the_page() -> None:
    """What the page says a member sees is what the member sees."""
    terms = replace(YEAR, levels=PAGE_LEVELS)
    shown = json.loads("{" + re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)[0] + "}")["tier"]
    assert view(after(terms, GOLD, ("2027-06-01", 4_000)), terms, on("2027-12-10")) == shown


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        (ROLLING, {"2027-05-31": "gold", "2027-06-01": "silver", "2028-06-30": "silver", "2028-07-01": "member"}),
        (YEAR, {"2027-12-31": "gold", "2028-01-01": "silver", "2028-12-31": "silver", "2029-01-01": "member"}),
    ],
)
def test_the_second_table_of_the_page(terms: TierTerms, expected: dict[str, str]) -> None:
    """Gold on 20 May 2026 and 3,000 more on 1 June 2027, day by day."""
    standing = after(terms, GOLD)
    before = {day: level_of(standing, terms, on(day)).level for day in expected if day < "2027-06-01"}
    standing = after(terms, ("2027-06-01", 3_000), standing=standing)
    later = {day: level_of(standing, terms, on(day)).level for day in expected if day >= "2027-06-01"}
    assert before | later == expected


@pytest.mark.parametrize(
    ("terms", "ends"),
    [
        (YEAR, [("2027-12-31", "gold"), ("2028-01-01", "member")]),
        (ROLLING, [("2027-05-31", "gold"), ("2027-06-01", "member")]),
        (STEPPING, [("2027-12-31", "gold"), ("2028-12-31", "silver"), ("2029-01-01", "member")]),
        (
            replace(ROLLING, downgrade="one_step"),
            [("2027-05-31", "gold"), ("2028-05-31", "silver"), ("2028-06-01", "member")],
        ),
        (FOLLOWING, [("2026-12-31", "gold"), ("2027-01-01", "member")]),
        (ROLLING_FOLLOWING, [("2027-04-30", "gold"), ("2027-05-01", "member")]),
        (LIFETIME, [("2099-12-31", "gold")]),
        (KEEPING, [("2099-12-31", "gold")]),
    ],
)
def test_the_first_table_of_the_page(terms: TierTerms, ends: list[tuple[str, str]]) -> None:
    """Gold on 20 May 2026 and nothing more, under every policy."""
    standing = after(terms, GOLD)
    assert [(day, level_of(standing, terms, on(day)).level) for day, _ in ends] == ends
