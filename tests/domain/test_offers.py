"""What an operator writes of a reward: every form of it, every fault, and the way back."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jifen.domain.errors import InvalidInput
from jifen.domain.offers import Offer, RewardKind, read_offer, written
from jifen.domain.reader import decimal
from tests.domain.offerings import offers

NOW = datetime(2026, 3, 10, 4, tzinfo=UTC)


def faults(content: object, currency: str | None = "GBP") -> set[str]:
    """The paths of what is wrong with it."""
    with pytest.raises(InvalidInput) as refused:
        read_offer(content, currency)
    return {fault.field for fault in refused.value.faults}


@given(offers())
def test_what_is_written_back_says_the_same(content: dict[str, Any]) -> None:
    """In its shortest form, which has no shorter one, and which JSON carries."""
    offer = read_offer(content, "GBP")
    short = written(offer)
    assert offer == read_offer(json.loads(json.dumps(short)), "GBP")
    assert short == written(read_offer(short, "GBP"))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(offers(), st.data())
def test_nothing_that_json_can_hold_breaks_the_reader(content: dict[str, Any], data: st.DataObject) -> None:
    """Whatever stands in place of a part, it is read or refused by name."""
    key = data.draw(st.sampled_from(sorted(content)))
    spoiled = content | {key: data.draw(JSON)}
    if isinstance(content[key], dict) and content[key] and data.draw(st.booleans()):
        inner = data.draw(st.sampled_from(sorted(content[key])))
        spoiled[key] = content[key] | {inner: data.draw(JSON)}
    try:
        offer = read_offer(spoiled, "GBP")
    except InvalidInput:
        return
    assert offer == read_offer(written(offer), "GBP")


@pytest.mark.parametrize("content", [None, [], 5, "reward"])
def test_a_reward_is_an_object(content: object) -> None:
    """Anything else is named as a whole."""
    assert "reward" in faults(content)


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        ({"points": 0}, "points"),
        ({"points": 10, "tiers": {"gold": "0"}}, "points"),
        (
            {"points": 10, "sale": {"from": "2026-01-01T00:00:00Z", "until": "2026-01-02T00:00:00Z", "points": 0}},
            "points",
        ),
    ],
)
def test_what_can_ever_cost_nothing_needs_a_limit(content: dict[str, Any], wrong: str) -> None:
    """At no tier and in no sale can somebody take all there is for nothing."""
    free = {"title": "Gift", **content}
    assert {wrong} == faults(free)
    assert read_offer(free | {"limits": [{"per": "ever", "times": 1}]}, "GBP").limits


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        ({"points": 1, "cash_minor": 100}, {"points"}),
        ({"cash_minor": 0, "limits": [{"per": "day", "times": 1}]}, {"cash_minor"}),
        ({"cash_minor": 100, "voucher": {}}, {"voucher.points"}),
        (
            {
                "cash_minor": 100,
                "sale": {"from": "2026-01-01T00:00:00Z", "until": "2026-01-02T00:00:00Z", "points": 1},
            },
            {"sale.points", "sale.cash_minor"},
        ),
    ],
)
def test_points_never_buy_points(content: dict[str, Any], wrong: set[str]) -> None:
    """A voucher is paid for with money, in a sale too: points that buy more points would mint them."""
    assert wrong == faults({"title": "V", "kind": "voucher", "voucher": {"points": 100}} | content)


@pytest.mark.parametrize(
    "content",
    [
        {"cash_minor": 1},
        {"kind": "coupon", "coupon": {"discount_minor": 5}},
        {"sale": {"from": "2026-01-01T00:00:00Z", "until": "2026-01-02T00:00:00Z", "points": 1, "cash_minor": 1}},
    ],
)
def test_money_needs_the_programs_currency(content: dict[str, Any]) -> None:
    """A price in no currency is none."""
    whole = {"title": "A", "points": 10} | content
    assert faults(whole, None) <= {"cash_minor", "coupon"}
    assert read_offer(whole, "GBP")


@pytest.mark.parametrize(
    ("points", "factor", "price"), [(500, "0.9", 450), (333, "0.9", 300), (1, "0.000000001", 1), (10, "1", 10)]
)
def test_a_tier_price_is_rounded_up_to_a_whole_point(points: int, factor: str, price: int) -> None:
    """A discount never gives away more than it says."""
    offer = Offer("A", RewardKind.PHYSICAL, points, tiers={"gold": Fraction(factor)})
    assert ((price, 0), (points, 0)) == (offer.price("gold", NOW), offer.price("silver", NOW))


def test_a_sale_begins_with_its_first_instant_and_has_ended_with_its_last() -> None:
    """``from`` counts, ``until`` does not; the tier's factor is on the sale price too."""
    hour = timedelta(hours=1)
    sale = {"from": NOW.isoformat(), "until": (NOW + hour).isoformat(), "points": 100, "cash_minor": 7}
    offer = read_offer({"title": "A", "points": 500, "tiers": {"gold": "0.5"}, "sale": sale}, "GBP")
    before, tick = NOW - timedelta(microseconds=1), timedelta(microseconds=1)
    assert [(500, 0), (100, 7), (100, 7), (500, 0)] == [
        offer.price("", at) for at in (before, NOW, NOW + hour - tick, NOW + hour)
    ]
    assert (50, 7) == offer.price("gold", NOW)


@given(st.integers(0, 10**9))
def test_a_share_is_written_exactly(billionths: int) -> None:
    """Up to nine decimals, without a blank or a zero too many."""
    share = Fraction(billionths, 10**9)
    assert share == Fraction(decimal(share))
