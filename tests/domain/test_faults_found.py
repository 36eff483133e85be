"""Faults that a review has found, each by the least that shows it."""

from __future__ import annotations

import pytest

from jifen.domain.program import parse_program
from tests.domain.builders import MEMBER, Desk, instant, noon, paid

NOW = noon("2026-03-01")


@pytest.mark.parametrize("by", ["points", "spend"])
@pytest.mark.parametrize("downgrade", ["period_end", "at_once", "never"])
@pytest.mark.parametrize("other_day", ["2026-03-02", "2026-04-01"])
def test_an_order_with_another_date_counts_once_towards_a_level(by: str, downgrade: str, other_day: str) -> None:
    """While it moves from one day to another it is not in both, so nobody rises by it."""
    reach = {"points": 150, "spend": 15_000}[by]
    levels = [{"id": "member", "from": 0}, {"id": "gold", "from": reach}]
    desk = Desk(parse_program({"tiers": {"by": by, "downgrade": downgrade, "levels": levels}}))
    desk.book(paid(10_000, at=instant("2026-03-01T04:00:00Z")), NOW)
    desk.book(paid(10_000, at=instant(f"{other_day}T04:00:00Z"), revision=1), noon(other_day))
    tier = desk.of(MEMBER).standing.tier
    assert tier is not None
    assert ("member", NOW.today) == (tier.level, tier.since)
