"""Discounts on exchanges: what a price comes to under campaigns, whatever they, the tiers and a sale say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jifen.domain.campaigns import CampaignState, CampaignStatus
from jifen.domain.discounts import NO_DISCOUNTS, Discounts, asked, running
from jifen.domain.offers import Offer, RewardKind, Sale
from jifen.domain.program import parse_program

NOW = datetime(2026, 3, 10, 4, tzinfo=UTC)
HOUR = timedelta(hours=1)

factors = st.integers(1, 999_999_999).map(lambda part: f"0.{part:09d}")
shares = st.fractions(0, 1, max_denominator=1_000)
money = st.sampled_from([0, 0, 500])
sales = st.none() | st.builds(Sale, st.just(NOW - HOUR), st.just(NOW + HOUR), st.integers(0, 5_000), money)
offers = st.builds(
    Offer,
    st.just("Cup"),
    st.sampled_from(RewardKind),
    st.integers(0, 5_000),
    money,
    tiers=shares.map(lambda share: {"gold": share}),
    sale=sales,
)


def discounts(*exchanges: dict[str, Any], **states: CampaignState) -> Discounts:
    """What campaigns with these discounts, called c0, c1, …, come to now."""
    campaigns = [{"id": f"c{number}", "exchange": one} for number, one in enumerate(exchanges)]
    return running(parse_program({"earning": {"campaigns": campaigns}}).rules, states, NOW)


@given(offers, factors, st.sampled_from(["", "gold"]))
def test_a_discount_is_never_more_than_it_says_and_never_all(offer: Offer, by: str, level: str) -> None:
    """At most the plain price, in points and money; exact outside a sale; a point at least where it cost any."""
    plain, cash = offer.price(level, NOW)
    points, cash_now, campaign = discounts({"by": by}).price("cup", offer, level, NOW)

    assert points <= plain
    assert cash_now <= cash
    assert bool(points) == bool(plain)
    assert (campaign is not None) == (points < plain)
    exact = offer.points * offer.tiers.get(level, 1) * Fraction(by)
    if campaign or not offer.sale:
        assert exact <= points < exact + 1
        assert cash_now == offer.cash_minor
    else:
        assert (plain, cash) == (points, cash_now)


@given(offers, factors, factors, st.sampled_from(["", "gold"]))
def test_more_off_never_costs_more_and_discounts_are_not_added_up(offer: Offer, one: str, two: str, level: str) -> None:
    """Of two campaigns the price is that of the better one, in whichever order they are written."""
    low, high = sorted((one, two), key=Fraction)
    less, more = (discounts({"by": by}).price("cup", offer, level, NOW) for by in (low, high))

    assert less.points <= more.points
    for both in ([{"by": low}, {"by": high}], [{"by": high}, {"by": low}]):
        assert less[:2] == discounts(*both).price("cup", offer, level, NOW)[:2]


@pytest.mark.parametrize(
    ("sale", "price"),
    [
        ((300, 0), (300, 0, None)),  # lower than half of 1,000
        ((500, 0), (500, 0, None)),
        ((501, 0), (500, 0, "c0")),
        ((600, 5), (500, 0, "c0")),  # fewer points, and less money
    ],
)
def test_a_sale_and_a_campaign_are_not_put_together(sale: tuple[int, int], price: tuple[int, int, str | None]) -> None:
    """The lower of the two whole prices counts; once the sale is over, the campaign's."""
    offer = Offer("Cup", RewardKind.PHYSICAL, 1_000, sale=Sale(NOW, NOW + HOUR, *sale))
    half = discounts({"by": "0.5"})
    points, cash, campaign = half.price("cup", offer, "", NOW)

    assert price == (points, cash, campaign and campaign.id)
    assert (500, 0) == half.price("cup", offer, "", NOW + HOUR)[:2]


def test_no_campaign_makes_a_sale_without_money_cost_money_or_points_without_money() -> None:
    """Ten points and ten pounds, in the sale a hundred points alone: not five points, and not five and ten pounds."""
    offer = Offer("Cup", RewardKind.PHYSICAL, 10, 1_000, sale=Sale(NOW, NOW + HOUR, 100, 0))
    assert (100, 0, None) == discounts({"by": "0.5"}).price("cup", offer, "", NOW)


def test_no_campaign_makes_points_of_a_sale_nothing() -> None:
    """For money alone, and in the sale for points as well: half of no points is not the price there."""
    offer = Offer("Cup", RewardKind.PHYSICAL, 0, 500, sale=Sale(NOW, NOW + HOUR, 50, 500))
    assert (50, 500, None) == discounts({"by": "0.5"}).price("cup", offer, "", NOW)


@pytest.mark.parametrize(
    ("exchange", "fits"),
    [
        ({}, True),
        ({"rewards": ["cup"]}, True),
        ({"rewards": ["mug"]}, False),
        ({"kinds": ["virtual", "physical"]}, True),
        ({"kinds": ["virtual"]}, False),
        ({"categories": ["ＨＯＭＥ"]}, True),
        ({"categories": ["homely"]}, False),
        ({"categories": ["home"], "rewards": ["mug"]}, False),
        ({"categories": [], "rewards": [], "kinds": []}, True),
    ],
)
def test_a_discount_is_for_what_it_names(exchange: dict[str, Any], fits: bool) -> None:  # noqa: FBT001 - a column
    """Each list that is not empty has to have the reward; categories as the shelf compares them."""
    offer = Offer("Cup", RewardKind.PHYSICAL, 100, category="Home")
    points = discounts({"by": "0.5", **exchange}).price("cup", offer, "", NOW).points
    assert (50 if fits else 100) == points


@pytest.mark.parametrize("status", [CampaignStatus.PAUSED, CampaignStatus.ENDED, CampaignStatus.CANCELED])
def test_a_campaign_that_was_stopped_takes_nothing_off(status: CampaignStatus) -> None:
    """The next best counts."""
    offer, both = Offer("Cup", RewardKind.PHYSICAL, 100), ({"by": "0.5"}, {"by": "0.9"})
    stopped = discounts(*both, c0=CampaignState("c0", status))
    assert ((50, "c0"), (90, "c1")) == tuple(
        (one.points, one.campaign and one.campaign.id)
        for one in (found.price("cup", offer, "", NOW) for found in (discounts(*both), stopped))
    )


def test_a_window_begins_and_ends_it() -> None:
    """Outside it nothing is asked for, and nothing taken off; nor by a campaign of rules alone."""
    window = {"from": "2026-03-10", "until": "2026-03-10"}
    rules = parse_program(
        {
            "earning": {
                "campaigns": [
                    {"id": "day", "exchange": {"by": "0.5"}, **window},
                    {"id": "gift", "rules": [{"id": "g", "fixed": 1}]},
                ]
            }
        }
    ).rules
    begins = datetime(2026, 3, 10, tzinfo=UTC)
    tick = timedelta(microseconds=1)
    instants = (begins - tick, begins, begins + timedelta(days=1) - tick, begins + timedelta(days=1))

    assert [(), ("day",), ("day",), ()] == [asked(rules, now) for now in instants]
    assert [False, True, True, False] == [running(rules, {}, now) != NO_DISCOUNTS for now in instants]


def test_a_tier_and_a_campaign_are_rounded_once() -> None:
    """329 points at 0.9 and 0.8 are 236.88, so 237: not 0.8 of 297, which were 238."""
    offer = Offer("Cup", RewardKind.PHYSICAL, 329, tiers={"gold": Fraction(9, 10)})
    assert (237, 264) == tuple(
        discounts({"by": "0.8"}).price("cup", offer, level, NOW).points for level in ("gold", "")
    )
