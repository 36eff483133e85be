"""The checkout: shares of lines, steps and thresholds, days, and the most points that can be used."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jifen.domain.account import Account, Status
from jifen.domain.checkout import Basket, Checkout, Item, checkout
from jifen.domain.debits import Guard
from jifen.domain.errors import (
    AccountFrozen,
    InsufficientPoints,
    InvalidInput,
    LimitReached,
    PasswordRequired,
    Refusal,
)
from jifen.domain.lots import total
from jifen.domain.money import Money
from jifen.domain.orders import Line, LineKind
from jifen.domain.program import Moment, Program, parse_program
from jifen.domain.spending import Asked, authorize, redeem
from tests.domain.builders import account_with, lot, noon

NOW = noon("2026-03-01")
TOMORROW = "2026-03-02T00:00:00+00:00"
PENNIES = {"points": 1, "minor": 1}
"""A point is a penny."""


def program(**terms: Any) -> Program:
    """A program with these terms of the checkout; a point is a penny unless said."""
    return parse_program({"currency": "GBP", "redemption": {"worth": PENNIES, **terms}})


def item(minor: int, kind: str = "goods", category: str | None = None, price: int | None = None) -> Item:
    """A line of one piece, or of pieces at another price."""
    return Item(Line(1, "s", minor, LineKind(kind), category), Fraction(minor if price is None else price))


def basket(*items: Item, currency: str = "GBP") -> Basket:
    """An order of these lines."""
    return Basket(currency, items)


def share(terms: Program, *items: Item, total_minor: int | None = None) -> int:
    """The points that an order's share allows."""
    of = Money(total_minor, "GBP") if total_minor is not None else None
    (found,) = [limit.points for limit in checkout(terms, basket(*items), of).caps() if limit.name == "max_order_share"]
    return found


def ask(points: int, **more: Any) -> Asked:
    """A request for points."""
    return Asked("rd.k", points, "f", **more)


def refused(terms: Program, asked: Asked, account: Account, moment: Moment = NOW) -> Mapping[str, object]:
    """The facts of the limit that a redemption and a hold are both refused with."""
    with pytest.raises(LimitReached) as of_redemption:
        redeem(account, asked, terms, moment)
    with pytest.raises(LimitReached) as of_hold:
        authorize(account, asked, terms, 60, moment)
    assert of_redemption.value.facts() == of_hold.value.facts()
    return of_redemption.value.facts()


def rich(points: int = 100_000) -> Account:
    """A member with so many points."""
    return account_with(lot(points), moment=NOW)


# Shares of lines -----------------------------------------------------------------------------------------------------

SHARES = program(
    max_order_share="0.30",
    lines=[
        {"categories": ["gift_cards"], "max_share": "0"},
        {"unit_price_from_minor": 50_000, "max_share": "0.70"},
        {"categories": ["home", "garden"], "max_share": "0.50"},
    ],
)


@pytest.mark.parametrize(
    ("items", "points"),
    [
        ([item(10_000)], 3_000),
        ([item(50_000)], 35_000),
        ([item(100_000, price=49_999)], 30_000),
        ([item(10_000, category="garden")], 5_000),
        ([item(60_000, category="home")], 42_000),
        ([item(60_000, category="gift_cards")], 0),
        ([item(10_000), item(50_000), item(10_000, category="home"), item(500, category="gift_cards")], 43_000),
        ([item(10_000), item(700, "shipping"), item(300, "fee"), item(900, "gift_voucher")], 3_000),
        ([], 0),
        ([item(500, "shipping")], 0),
        ([item(0)], 0),
    ],
    ids=lambda value: None if isinstance(value, list) else str(value),
)
def test_each_line_has_the_share_of_the_first_entry_that_fits(items: list[Item], points: int) -> None:
    """By category and price a piece; other lines have the program's share, and what is no goods has none."""
    assert points == share(SHARES, *items)


def test_discounts_lower_every_line_in_proportion() -> None:
    """A fifth off the whole is a fifth off what each line allows; a discount above the goods leaves nothing."""
    goods = (item(60_000), item(20_000))
    assert 42_000 + 6_000 == share(SHARES, *goods)
    assert (42_000 + 6_000) * 4 // 5 == share(SHARES, *goods, item(16_000, "discount"))
    assert 0 == share(SHARES, *goods, item(80_000, "discount"))
    assert 0 == share(SHARES, *goods, item(80_001, "discount"))


def test_what_lies_between_two_points_is_rounded_down() -> None:
    """A third of 100 pence is 33 points, and three thirds taken line by line are not rounded three times."""
    thirds = program(lines=[{"max_share": "0.333"}])
    assert 33 == share(thirds, item(100))
    assert 99 == share(thirds, item(100), item(100), item(100))


def test_a_total_below_that_of_the_lines_lowers_what_they_allow_and_one_above_does_not() -> None:
    """Neither of the two ever allows more than it does alone."""
    assert 15_000 == share(SHARES, item(100_000, price=1), total_minor=50_000)
    assert 30_000 == share(SHARES, item(100_000, price=1), total_minor=100_001)
    assert 0 == share(SHARES, item(100_000), total_minor=0)


def test_what_points_pay_already_counts_against_the_share() -> None:
    """A line of kind points takes its own amount from what is left, so that parts never add up to more."""
    assert 3_000 == share(SHARES, item(10_000))
    assert 1_000 == share(SHARES, item(10_000), item(2_000, "points"))
    assert 0 == share(SHARES, item(10_000), item(3_001, "points"))


@pytest.mark.parametrize(("named", "used", "left"), [(0, 200, 100), (200, 200, 100), (200, 50, 100), (50, 200, 100)])
def test_points_that_are_named_and_known_are_not_counted_twice(named: int, used: int, left: int) -> None:
    """Of what the lines say is paid with points and what we know of, the greater counts."""
    desk = checkout(SHARES, basket(item(1_000), item(named, "points")), None, used=used)
    assert left == {limit.name: limit.points for limit in desk.caps()}["max_order_share"]


def test_points_used_on_an_order_count_against_its_cap() -> None:
    """500 an order are 500 however they are split, and never below 0."""
    capped = program(max_points_per_order=500)
    for used, left in ((0, 500), (499, 1), (500, 0), (600, 0)):
        desk = checkout(capped, None, None, of_order=True, used=used)
        assert [("max_points_per_order", left)] == [(limit.name, limit.points) for limit in desk.caps()]


GOODS = st.lists(
    st.builds(
        item,
        st.integers(0, 10**6),
        st.sampled_from(["goods", "goods", "goods", "discount", "shipping", "points"]),
        st.sampled_from([None, "home", "gift_cards", "other"]),
        st.integers(0, 10**5),
    ),
    max_size=6,
)


@given(GOODS, st.none() | st.integers(0, 10**6), st.integers(0, 10**4))
def test_no_order_is_ever_paid_with_more_than_it_costs(items: list[Item], total_minor: int | None, used: int) -> None:
    """The discount is within goods less discounts, within the total, within the highest share, and never negative."""
    of = None if total_minor is None else Money(total_minor, "GBP")
    desk = checkout(SHARES, basket(*items), of, used=used)
    (points,) = [limit.points for limit in desk.caps()]
    goods = sum(line.amount_minor for line, _ in items if line.kind is LineKind.GOODS)
    less = sum(line.amount_minor for line, _ in items if line.kind is LineKind.DISCOUNT)
    costs = max(0, goods - less) if total_minor is None else min(max(0, goods - less), total_minor)
    assert 0 <= points <= Fraction(7, 10) * costs
    assert points == 0 or points + used <= Fraction(7, 10) * costs


@given(GOODS, st.integers(0, 10**6))
def test_a_total_never_allows_more_than_the_lines_alone(items: list[Item], total_minor: int) -> None:
    """What is named besides can only lower it."""
    assert share(SHARES, *items, total_minor=total_minor) <= share(SHARES, *items)


# Thresholds and steps ------------------------------------------------------------------------------------------------

TOTAL = Money(10_000, "GBP")


@pytest.mark.parametrize(
    ("terms", "asked", "limit", "allowed"),
    [
        ({"needs_order": True}, ask(1), "needs_order", 0),
        ({"needs_order": True}, ask(1, order_id="o"), "needs_order", 0),
        ({"min_order_minor": 10_001}, ask(1, order_total=TOTAL), "min_order_minor", 0),
        ({"min_order_minor": 10_001}, ask(1, basket=basket(item(10_000), item(500, "shipping"))), "min_order_minor", 0),
        ({"step_points": 100}, ask(250), "step_points", 200),
        ({"step_points": 100}, ask(99), "step_points", 0),
        ({"min_points": 500}, ask(400), "min_points", 0),
        ({"min_discount_minor": 500}, ask(499), "min_discount_minor", 0),
        ({"max_order_share": "0"}, ask(1, order_total=TOTAL), "max_order_share", 0),
        ({"max_points_per_order": 0}, ask(1, order_id="o"), "max_points_per_order", 0),
        ({"max_points_per_order": 500}, ask(501, basket=basket(item(10_000))), "max_points_per_order", 500),
        ({"step_points": 1_000, "max_points_per_order": 500}, ask(1_000, order_id="o"), "max_points_per_order", 500),
        ({"step_points": 1_000, "max_points_per_order": 500}, ask(500, order_id="o"), "step_points", 0),
        ({"min_points": 600, "max_points_per_order": 500}, ask(500, order_id="o"), "min_points", 0),
    ],
    ids=str,
)
def test_a_refusal_names_the_limit_and_what_it_allows(
    terms: dict[str, Any], asked: Asked, limit: str, allowed: int
) -> None:
    """The same for redemptions and holds; nothing of these resets."""
    assert {"limit": limit, "allowed": allowed, "resets_at": None} == refused(program(**terms), asked, rich())


@pytest.mark.parametrize(
    ("terms", "asked"),
    [
        ({"needs_order": True}, ask(1, order_total=TOTAL)),
        ({"needs_order": True}, ask(1, basket=basket(item(1)))),
        ({"min_order_minor": 10_000}, ask(1, order_total=TOTAL)),
        ({"min_order_minor": 10_001}, ask(1)),
        ({"step_points": 100}, ask(300)),
        ({"min_points": 500}, ask(500)),
        ({"min_discount_minor": 500}, ask(500)),
        ({"max_points_per_order": 500}, ask(501)),
    ],
    ids=str,
)
def test_at_its_edge_a_limit_allows(terms: dict[str, Any], asked: Asked) -> None:
    """Exactly as many as it says, an order of exactly that much; a limit of orders binds no points without one."""
    document, change = redeem(rich(), asked, program(**terms), NOW)
    assert (asked.points, 100_000 - asked.points) == (total(document.spent), change.account.balance)


def test_an_order_of_two_currencies_is_refused_and_the_field_named() -> None:
    """Lines in another currency than the program's, or than the total's."""
    for asked, fields in (
        (ask(1, basket=basket(item(100), currency="EUR")), ["order.currency"]),
        (ask(1, basket=basket(item(100)), order_total=Money(1, "EUR")), ["order_total.currency"]),
    ):
        with pytest.raises(InvalidInput) as refusal:
            redeem(rich(), asked, program(), NOW)
        assert fields == [fault.field for fault in refusal.value.faults]
    with pytest.raises(InvalidInput):
        checkout(parse_program({}), basket(item(1), currency="GBP"), Money(1, "EUR"))


# A member's day ------------------------------------------------------------------------------------------------------

DAILY = program(times_per_day=2, max_points_per_day=500)


def test_a_day_s_limits_are_counted_over_redemptions_and_holds() -> None:
    """Each says when it resets: at the next local midnight, when all of it is there again."""
    _, first = redeem(rich(), ask(300), DAILY, NOW)
    resets = {"resets_at": TOMORROW}
    assert {"limit": "max_points_per_day", "allowed": 500, **resets} == refused(DAILY, ask(201), first.account)
    _, second = authorize(first.account, ask(200), DAILY, 60, NOW)
    assert {"limit": "times_per_day", "allowed": 2, **resets} == refused(DAILY, ask(1), second.account)
    tomorrow = DAILY.moment(NOW.now + timedelta(days=1))
    document, _ = redeem(second.account, ask(500), DAILY, tomorrow)
    assert 500 == total(document.spent)


def test_up_to_takes_what_the_day_leaves_and_is_then_refused_by_it() -> None:
    """300 of 500 used, 200 are taken of 1,000 asked; then the refusal names the day's limit and its reset."""
    _, first = redeem(rich(), ask(300), program(max_points_per_day=500), NOW)
    document, second = redeem(first.account, ask(1_000, up_to=True), program(max_points_per_day=500), NOW)
    assert 200 == total(document.spent)
    found = refused(program(max_points_per_day=500), ask(1_000, up_to=True), second.account)
    assert {"limit": "max_points_per_day", "allowed": 500, "resets_at": TOMORROW} == found


@given(st.lists(st.tuples(st.integers(1, 400), st.booleans(), st.booleans()), max_size=12))
def test_a_day_never_spends_more_than_its_limits(wanted: list[tuple[int, bool, bool]]) -> None:
    """However points are asked for, redeemed or held, exactly or up to: at most twice, and at most 500."""
    account, times, spent = rich(), 0, 0
    for number, (points, hold, up_to) in enumerate(wanted):
        asked = replace(ask(points, up_to=up_to), id=f"k{number}")
        try:
            document, change = authorize(account, asked, DAILY, 60, NOW) if hold else redeem(account, asked, DAILY, NOW)
        except LimitReached:
            continue
        account, times, spent = change.account, times + 1, spent + document.receipt.answer["points"]
    assert times <= 2
    assert spent <= 500
    assert 100_000 - spent == account.balance - account.held


def test_the_password_is_asked_for_beyond_what_needs_none() -> None:
    """300 a day go without; the 301st needs it, with what was spent; with it nothing stands in the way."""
    _, first = redeem(rich(), ask(200), program(), NOW, Guard(300, proven=False))
    with pytest.raises(PasswordRequired) as of_redemption:
        redeem(first.account, ask(101), program(), NOW, Guard(300, proven=False))
    with pytest.raises(PasswordRequired) as of_hold:
        authorize(first.account, ask(101), program(), 60, NOW, Guard(300, proven=False))
    assert {"above": 300, "spent_today": 200} == of_redemption.value.facts() == of_hold.value.facts()
    redeem(first.account, ask(100), program(), NOW, Guard(300, proven=False))
    redeem(first.account, ask(101), program(), NOW, Guard(300, proven=True))


@pytest.mark.parametrize(("times", "named"), [(0, []), (1, []), (2, ["times_per_day"])])
def test_how_often_is_a_cap_once_it_is_used_up(times: int, named: list[str]) -> None:
    """Before that it caps no points, and is not named."""
    account = rich()
    for number in range(times):
        account = redeem(account, replace(ask(1), id=f"k{number}"), DAILY, NOW)[1].account
    caps = checkout(DAILY, None, None).member_caps(account.standing, 9, NOW)
    assert [*named, "max_points_per_day", "available"] == [limit.name for limit in caps]


# As many as can be used ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("terms", "points", "asked", "taken"),
    [
        ({}, 700, 1_000, 700),
        ({}, 700, 600, 600),
        ({"step_points": 100}, 750, 1_000, 700),
        ({"step_points": 100}, 750, 650, 600),
        ({"max_order_share": "0.30"}, 9_999, 9_999, 3_000),
        ({"max_order_share": "0.30", "max_points_per_order": 500}, 9_999, 9_999, 500),
        ({"max_order_share": "0.30", "step_points": 70}, 9_999, 9_999, 2_940),
        ({"min_points": 700}, 700, 1_000, 700),
    ],
    ids=str,
)
def test_up_to_takes_as_many_as_balance_and_limits_allow(
    terms: dict[str, Any], points: int, asked: int, taken: int
) -> None:
    """At most what is asked for, in whole steps; what it took and what that takes off are answered."""
    order = ask(asked, up_to=True, order_total=TOTAL)
    document, change = redeem(rich(points), order, program(**terms), NOW)
    hold, held = authorize(rich(points), order, program(**terms), 60, NOW)
    assert (taken, {"amount_minor": taken, "currency": "GBP"}) == (
        document.receipt.answer["points"],
        document.receipt.answer["discount"],
    )
    assert (taken, taken, taken) == (
        total(document.spent),
        hold.points,
        hold.receipt.answer["discount"]["amount_minor"],
    )
    assert points - taken == change.account.balance == held.account.available(NOW.today)
    assert taken == held.account.held


@pytest.mark.parametrize(
    ("terms", "points", "asked", "facts"),
    [
        ({}, 0, 10, {"asked": 10, "available": 0}),
        ({"step_points": 100}, 99, 1_000, {"asked": 1_000, "available": 99}),
        ({"min_points": 500}, 499, 1_000, {"asked": 1_000, "available": 499}),
        ({"step_points": 100, "min_points": 250}, 280, 1_000, {"asked": 1_000, "available": 280}),
        ({"step_points": 100}, 999, 99, {"limit": "step_points", "allowed": 0, "resets_at": None}),
        ({"min_points": 500}, 999, 499, {"limit": "min_points", "allowed": 0, "resets_at": None}),
        ({"max_order_share": "0"}, 999, 9, {"limit": "max_order_share", "allowed": 0, "resets_at": None}),
        (
            {"max_order_share": "0.04", "min_points": 401},
            999,
            999,
            {"limit": "min_points", "allowed": 0, "resets_at": None},
        ),
        ({"min_order_minor": 10**6}, 0, 9, {"limit": "min_order_minor", "allowed": 0, "resets_at": None}),
        ({"times_per_day": 0}, 999, 9, {"limit": "times_per_day", "allowed": 0, "resets_at": TOMORROW}),
        (
            {"max_points_per_day": 95, "step_points": 100},
            999,
            900,
            {"limit": "max_points_per_day", "allowed": 95, "resets_at": TOMORROW},
        ),
    ],
    ids=str,
)
def test_up_to_nothing_is_a_refusal_that_says_why(
    terms: dict[str, Any], points: int, asked: int, facts: dict[str, object]
) -> None:
    """The limit that leaves nothing, or what is available where that is too little for one step."""
    account = rich(points) if points else Account("m1")
    with pytest.raises(Refusal) as refusal:
        redeem(account, ask(asked, up_to=True, order_total=TOTAL), program(**terms), NOW)
    assert facts == refusal.value.facts()
    assert isinstance(refusal.value, InsufficientPoints if "available" in facts else LimitReached)


def test_up_to_of_a_frozen_account_says_so() -> None:
    """Not that there are no points."""
    with pytest.raises(AccountFrozen):
        redeem(replace(rich(), status=Status.FROZEN), ask(1, up_to=True), program(), NOW)


TERMS = st.fixed_dictionaries(
    {},
    optional={
        "worth": st.builds(
            lambda points, minor: {"points": points, "minor": minor}, st.integers(1, 300), st.integers(1, 300)
        ),
        "min_points": st.integers(1, 300),
        "step_points": st.integers(1, 300),
        "min_order_minor": st.integers(0, 2_000),
        "min_discount_minor": st.integers(0, 300),
        "max_order_share": st.integers(0, 100).map(lambda share: f"{share / 100:.2f}"),
        "max_points_per_order": st.integers(0, 600),
        "max_points_per_day": st.integers(0, 600),
        "times_per_day": st.integers(0, 3),
        "needs_order": st.booleans(),
        "lines": st.just(
            [{"categories": ["home"], "max_share": "0.5"}, {"unit_price_from_minor": 500, "max_share": "0.7"}]
        ),
    },
)
SMALL = st.lists(
    st.builds(
        item, st.integers(0, 1_000), st.sampled_from(["goods", "goods", "discount"]), st.sampled_from([None, "home"])
    ),
    max_size=4,
)


@given(TERMS, st.none() | SMALL, st.none() | st.integers(0, 3_000), st.integers(0, 800), st.integers(0, 300))
def test_the_most_is_accepted_and_one_step_more_is_refused(
    terms: dict[str, Any], items: list[Item] | None, total_minor: int | None, points: int, before: int
) -> None:
    """Whatever the limits: what up_to takes can be asked for exactly, a step more cannot, and 0 is a refusal."""
    rules = program(**terms)
    account = rich(points) if points else Account("m1")
    order: dict[str, Any] = {
        "basket": None if items is None else basket(*items),
        "order_total": None if total_minor is None else Money(total_minor, "GBP"),
    }
    if before and before < points:
        with suppress(LimitReached, InsufficientPoints):
            account = redeem(account, ask(before), rules, NOW)[1].account
    try:
        document, _ = redeem(account, ask(10**9, up_to=True, **order), rules, NOW)
        most = total(document.spent)
    except (LimitReached, InsufficientPoints):
        most = 0
    step = rules.redemption.step_points
    if most:
        assert most == total(redeem(account, ask(most, **order), rules, NOW)[0].spent)
        assert most % step == 0
    with pytest.raises((LimitReached, InsufficientPoints)):
        redeem(account, ask(most + step, **order), rules, NOW)


# A discount that is wanted -------------------------------------------------------------------------------------------


@given(TERMS, st.integers(0, 2_000))
def test_the_fewest_points_for_a_discount(terms: dict[str, Any], wanted: int) -> None:
    """They give at least what is wanted, and no smaller number that could be used does."""
    rules = program(**terms)
    desk: Checkout = checkout(rules, None, None)
    points = desk.fewest(Money(wanted, "GBP"))
    off = desk.discount(points)
    assert off is not None
    assert off.amount_minor >= wanted
    assert not desk.gates(points)
    fewer = points - rules.redemption.step_points
    less = desk.discount(max(0, fewer))
    assert less is not None
    assert fewer <= 0 or less.amount_minor < wanted or desk.gates(fewer)
