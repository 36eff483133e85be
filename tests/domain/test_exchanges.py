"""Exchanges as decisions: which step fits which status, what comes back at an end, that no piece is made up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jifen.domain import exchanges, stocks
from jifen.domain.account import Account, Change, credit
from jifen.domain.entries import Draft, Kind, Source
from jifen.domain.errors import DeadlinePassed, Forbidden, InvalidInput, NotOpen, WrongStatus
from jifen.domain.exchanges import Asks, Made, Pieces, Wanted, judge, order_of
from jifen.domain.ids import document_id
from jifen.domain.lots import LotChange
from jifen.domain.money import Money
from jifen.domain.offers import read_offer
from jifen.domain.program import Moment, parse_program
from jifen.domain.reward_orders import RewardOrder, stepped
from jifen.domain.rewards import OrderStatus, Stock

PROGRAM = parse_program({"time_zone": "Asia/Shanghai", "currency": "CNY", "mall": {"points_per_day": 10_000}})
NOW = datetime(2026, 3, 10, 4, tzinfo=UTC)
MOMENT = PROGRAM.moment(NOW)
ID = str(document_id("ro", "m1", "k"))
ADDRESS = {"name": "Li Lei", "phone": "138", "street": "Nanjing Road 1"}
YUAN = Money(1_000, "CNY")

STATUSES = [one for one in OrderStatus if one is not OrderStatus.ABANDONED]


def holding(*points: int) -> Account:
    """A member with lots of so many points, one month after the other."""
    lots = tuple(LotChange(one, (NOW + timedelta(days=30 * n + 30)).date()) for n, one in enumerate(points) if one)
    draft = Draft(Kind.BONUS, "GOODWILL", Source("adjustment", "j"), NOW, lots=lots)
    return credit(Change(Account("m1")), draft, MOMENT).account if lots else Account("m1")


def made(account: Account | None = None, quantity: int = 1, moment: Moment = MOMENT, **content: Any) -> Made:
    """An order for what is written so."""
    offer = read_offer({"title": "Cup", "points": 100, "quantity_max": 50, **content}, "CNY")
    deal = judge(account or holding(10_000), offer, Wanted("cup", quantity), PROGRAM, moment)
    pieces = Pieces("cup", {"0": quantity}, {"0": 1})
    return order_of(deal, ID, pieces, 0, PROGRAM, moment, "member:m1")


def in_status(status: OrderStatus, kind: str = "physical") -> RewardOrder:
    """An order that stands there."""
    content: dict[str, Any] = {"kind": kind, "cash_minor": 1_000}
    order = replace(made(**content).order, status=status, due=None)
    return order if status is not OrderStatus.FULFILLED else stepped(order, status, MOMENT, "shop")


Step = Callable[[RewardOrder, Account], object]

STEPS: dict[str, tuple[Step, set[str]]] = {
    "address": (
        lambda order, _: exchanges.addressed(order, ADDRESS, MOMENT, "m"),
        {"CREATED", "ADDRESS_DUE", "TO_SHIP"},
    ),
    "paid": (lambda order, account: exchanges.paid(order, account, YUAN, "p", PROGRAM, MOMENT, "s"), {"CREATED"}),
    "ship": (lambda order, _: exchanges.shipped(order, "SF", "1", MOMENT, "s"), {"TO_SHIP"}),
    "deliver": (lambda order, _: exchanges.delivered(order, MOMENT, "s"), {"SHIPPED"}),
    "cancel by the member": (
        lambda order, account: exchanges.canceled(order, account, (), Asks("m", member=True), "", PROGRAM, MOMENT),
        {"CREATED", "ADDRESS_DUE", "TO_SHIP"},
    ),
    "cancel by the shop": (
        lambda order, account: exchanges.canceled(order, account, (), Asks("s"), "", PROGRAM, MOMENT),
        {"CREATED", "ADDRESS_DUE", "TO_SHIP", "SHIPPED"},
    ),
    "return": (
        lambda order, account: exchanges.returned(order, account, (), Asks("s"), "", PROGRAM, MOMENT, restock=True),
        {"SHIPPED", "FULFILLED"},
    ),
}


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("name", STEPS)
def test_each_step_fits_some_statuses_and_names_them_otherwise(name: str, status: OrderStatus) -> None:
    """The picture of the module, row by row, for a parcel."""
    step, possible = STEPS[name]
    order, account = in_status(status), holding(10)

    if str(status) in possible:
        step(order, account)
        return
    with pytest.raises(WrongStatus) as refused:
        step(order, account)
    assert (str(status), possible) == (refused.value.facts()["status_now"], set(refused.value.facts()["needs"]))  # type: ignore[call-overload]


@pytest.mark.parametrize("kind", ["donation", "coupon"])
def test_what_is_used_up_is_an_operators_to_take_back(kind: str) -> None:
    """Not the shop's, by either step; a member is told that it is over."""
    content: dict[str, Any] = {"coupon": {"discount_minor": 5}} if kind == "coupon" else {}
    order = made(kind=kind, **content).order
    account = holding(10)

    for step in ("cancel by the shop", "return"):
        with pytest.raises(Forbidden):
            STEPS[step][0](order, account)
    with pytest.raises(WrongStatus):
        STEPS["cancel by the member"][0](order, account)
    after = exchanges.canceled(order, account, (), Asks("o", operator=True), "", PROGRAM, MOMENT)
    assert OrderStatus.CANCELED is after.order.status


@pytest.mark.parametrize(("seconds", "over"), [(-1, False), (0, True), (1, True)])
def test_a_deadline_is_past_from_its_own_instant_on(seconds: int, *, over: bool) -> None:
    """An address in the last second is in time."""
    order = made().order
    assert order.due is not None
    moment = PROGRAM.moment(order.due + timedelta(seconds=seconds))

    assert over == exchanges.overdue(order, moment)
    if over:
        with pytest.raises(DeadlinePassed):
            exchanges.addressed(order, ADDRESS, moment, "m")
    else:
        assert OrderStatus.TO_SHIP is exchanges.addressed(order, ADDRESS, moment, "m").status


@pytest.mark.parametrize("kind", ["service", "virtual"])
def test_what_is_no_parcel_is_handed_over_as_it_is(kind: str) -> None:
    """A person does it and says so; nothing has to be shipped."""
    order = replace(in_status(OrderStatus.TO_SHIP), kind=kind)

    assert OrderStatus.FULFILLED is exchanges.delivered(order, MOMENT, "s").status


POINTS = st.lists(st.integers(0, 400), min_size=1, max_size=5)


@given(POINTS, st.integers(0, 300), st.integers(1, 5), st.booleans())
def test_an_exchange_that_is_cancelled_has_never_been(
    lots: list[int],
    price: int,
    quantity: int,
    returned: bool,  # noqa: FBT001 - hypothesis gives it by place
) -> None:
    """Every point is back in its own lot, and the limits are as they were."""
    account = holding(*lots)
    content: dict[str, Any] = {"points": price, "limits": [{"per": "month", "times": 9}]}
    if price * quantity > sum(lots):
        with pytest.raises(Exception, match="points were asked for"):
            made(account, quantity, **content)
        return

    done = made(account, quantity, **content)
    assert sum(lots) - price * quantity == done.change.account.balance
    order = replace(done.order, status=OrderStatus.SHIPPED)
    asks = Asks("s")
    if returned:
        after = exchanges.returned(order, done.change.account, (), asks, "", PROGRAM, MOMENT, restock=True)
    else:
        after = exchanges.canceled(order, done.change.account, (), asks, "", PROGRAM, MOMENT)

    assert account.lots == after.change.account.lots
    assert account.lifetime == after.change.account.lifetime
    assert account.standing.used == after.change.account.standing.used
    assert (price * quantity, True) == (after.order.restored, after.order.put_back)


def test_a_limit_is_free_again_on_the_day_that_it_was_counted_on() -> None:
    """Also where midnight comes twice: until the second one it is the day before, whatever the wall clock says."""
    program = parse_program({"time_zone": "America/St_Johns"})
    first_midnight = program.moment(datetime(2010, 11, 7, 2, 30, 30, tzinfo=UTC))  # 00:00:30, and soon 23:01 once more
    assert "2010-11-06" == first_midnight.today.isoformat()
    offer = read_offer({"title": "Cup", "points": 100, "limits": [{"per": "day", "times": 1}]}, None)
    deal = judge(holding(500), offer, Wanted("cup"), program, first_midnight)
    done = order_of(deal, ID, Pieces("cup", {"0": 1}, {"0": 1}), 0, program, first_midnight, "member:m1")

    canceled = exchanges.canceled(
        done.order, done.change.account, (), Asks("m", member=True), "", program, first_midnight
    )

    assert {"@reward.cup/day/times": {"2010-11-06": 1}} == dict(done.change.account.standing.used)
    assert not canceled.change.account.standing.used


@given(POINTS, st.integers(0, 100), st.lists(st.integers(1, 4), min_size=1, max_size=4), st.booleans())
def test_returned_in_parts_comes_to_the_same_as_at_once(
    lots: list[int],
    price: int,
    parts: list[int],
    restock: bool,  # noqa: FBT001 - hypothesis gives it by place
) -> None:
    """Points, lots, limits and pieces: whatever the parts, and each part gives back its share."""
    quantity, account = sum(parts), holding(*lots, 1_600)
    content: dict[str, Any] = {
        "points": price,
        "limits": [{"per": "month", "times": 99}, {"per": "day", "points": 9_999}],
    }
    order = replace((done := made(account, quantity, **content)).order, status=OrderStatus.FULFILLED)
    now, left = done.change.account, order
    for part in parts:
        back = exchanges.returned(left, now, (), Asks("s"), "", PROGRAM, MOMENT, restock=restock, quantity=part)
        assert price * part == back.order.restored - left.restored == back.change.account.balance - now.balance
        left, now = back.order, back.change.account

    assert (OrderStatus.RETURNED, quantity, price * quantity) == (left.status, left.returned, left.restored)
    assert (account.lots, account.standing.used) == (now.lots, now.standing.used)
    assert (left.put_back, sum(left.back.values()) or quantity) == (restock, quantity)
    with pytest.raises(WrongStatus):
        exchanges.returned(left, now, (), Asks("s"), "", PROGRAM, MOMENT, restock=restock, quantity=1)


@given(st.integers(0, 3_000), st.integers(1, 50), st.sampled_from(["1", "0.9", "0.333333333", "0"]))
def test_a_tier_pays_its_share_rounded_up_for_each_piece(points: int, quantity: int, factor: str) -> None:
    """Never more than without a tier, never less than the exact share."""
    tiers = {"tiers": {"levels": [{"id": "gold", "from": 0}]}, "currency": "CNY"}
    content: dict[str, Any] = {"points": points, "tiers": {"gold": factor}, "limits": [{"per": "day", "times": 50}]}
    offer = read_offer({"title": "Cup", "quantity_max": 50, **content}, "CNY")
    deal = judge(holding(10**6), offer, Wanted("cup", quantity), parse_program(tiers), MOMENT)

    assert points * quantity * Fraction(factor) <= deal.points <= points * quantity
    assert deal.points < (points * Fraction(factor) + 1) * quantity


def test_points_are_never_sold_for_points() -> None:
    """A voucher whose price is points, or nothing, cannot be had, however it came to be written so."""
    written = {"title": "P", "kind": "voucher", "cash_minor": 100, "voucher": {"points": 100}}
    offer = read_offer(written, "CNY")
    for wrong in (replace(offer, points=1), replace(offer, cash_minor=0, limits=())):
        with pytest.raises(NotOpen):
            judge(holding(100), wrong, Wanted("p"), PROGRAM, MOMENT)


def test_more_coupons_than_fit_into_a_transaction_are_refused() -> None:
    """Each is a document of its own."""
    written: dict[str, Any] = {
        "title": "Off",
        "kind": "coupon",
        "points": 1,
        "coupon": {"discount_minor": 5},
        "quantity_max": 50,
    }
    offer = replace(read_offer(written, "CNY"), quantity_max=100)

    assert 50 == len(made(quantity=50, **written).coupons)
    with pytest.raises(InvalidInput):
        judge(holding(100), offer, Wanted("off", 51), PROGRAM, MOMENT)


def test_what_was_promised_holds_when_the_money_comes() -> None:
    """A coupon and the points of a voucher are those of the order, whatever the reward says by then."""
    terms = {"kind": "percent", "percent": "0.15", "max_discount_minor": 900, "valid_days": 3}
    order = made(kind="coupon", coupon=terms, cash_minor=1_000).order
    after = exchanges.paid(order, holding(1), YUAN, "p", PROGRAM, PROGRAM.moment(NOW + timedelta(hours=1)), "s")

    (coupon,) = after.coupons
    assert {"kind": "percent", "percent": "0.15", "max_discount_minor": 900} == coupon.terms
    assert ("2026-03-13", OrderStatus.FULFILLED) == (str(coupon.expires_on), after.order.status)


# Stock ---------------------------------------------------------------------------------------------------------------

ORDERS = [str(document_id("ro", "m1", str(number))) for number in range(4)]
ACTS = st.lists(
    st.tuples(
        st.sampled_from(["reserve", "confirm", "release", "put_back"]),
        st.sampled_from(ORDERS),
        st.integers(1, 4),
        st.integers(0, 2),
    ),
    max_size=40,
)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=3), ACTS, st.booleans())
def test_whatever_is_done_to_a_stock_no_piece_is_made_up(
    free: list[int],
    acts: list[tuple[str, str, int, int]],
    pooled: bool,  # noqa: FBT001 - hypothesis gives it by place
) -> None:
    """Free + reserved + sold = stocked in every shard, nothing below zero, every code in one place."""
    codes = [[f"{shard}-{number}" for number in range(count if pooled else 0)] for shard, count in enumerate(free)]
    shards = [
        Stock("cup", number, count, 0, count, tuple(codes[number]), pooled=pooled) for number, count in enumerate(free)
    ]
    gone = set[str]()
    for act, order, pieces, fence in acts:
        if act == "reserve":
            try:
                after = stocks.reserve(shards, order, pieces, NOW, fence)
            except stocks.Outrun:
                continue
            known = {shard.shard: shard for shard in after or ()}
            kept = sum(shard.reserved[order].pieces for shard in known.values() if order in shard.reserved)
            assert after is None or kept == pieces
            shards = [known.get(shard.shard, shard) for shard in shards]
        elif act == "confirm":
            gone |= set(stocks.codes_of(shards, order))
            marks = stocks.marks_of(shards, order)
            shards = [stocks.confirm(one, order, marks.get(str(one.shard), 0)) for one in shards]
        elif act == "release":
            shards = [stocks.release(one, order) for one in shards]
        else:
            gone |= set(stocks.codes_of(shards, order))  # the member has seen them
            shards = [
                stocks.put_back(one, order, min(pieces, one.sold)) if one.sold or order in one.reserved else one
                for one in shards
            ]
        shards = [replace(one, version=one.version + 1) for one in shards]
        assert all((one.free or 0) + one.kept + one.sold == one.stocked for one in shards)
        assert all((one.free or 0) >= 0 and one.sold >= 0 for one in shards)
        if pooled:
            there = [code for one in shards for code in one.codes]
            there += [code for one in shards for kept in one.reserved.values() for code in kept.codes]
            assert sorted([*there, *gone]) == sorted(code for part in codes for code in part)
            assert all(one.free == len(one.codes) for one in shards)


def test_a_newer_attempt_is_never_robbed() -> None:
    """What was reserved behind a higher fence is left to it; what stands behind a lower one is replaced."""
    (kept,) = stocks.reserve([Stock("cup", 0, 2, 0, 2)], ID, 1, NOW, 1) or ()

    with pytest.raises(stocks.Outrun):
        stocks.reserve([kept], ID, 1, NOW, 0)
    (newer,) = stocks.reserve([replace(kept, version=1)], ID, 1, NOW, 2) or ()

    assert (1, 2, 1) == (newer.free, newer.reserved[ID].fence, newer.reserved[ID].mark)
