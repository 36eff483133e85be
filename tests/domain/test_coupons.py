"""Coupons: what they take off, when they cannot be used, and that each is used once."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jifen.domain import coupons
from jifen.domain.account import Account, Status
from jifen.domain.coupons import Bill, Coupon, CouponStatus, status_on
from jifen.domain.errors import AccountFrozen, CouponNotUsable, LimitReached, Refusal, WrongStatus
from jifen.domain.money import Money
from jifen.domain.offers import CouponKind, CouponTerms
from jifen.domain.program import Moment, parse_program
from tests.domain.builders import day, noon

PROGRAM = parse_program({"currency": "CNY", "time_zone": "Asia/Shanghai"})
NOW = noon("2026-03-01", PROGRAM)
ORDER = ("standard", "o-1")
MEMBER = Account("m")
FIVE = CouponTerms(discount_minor=500)


def issued(terms: CouponTerms = FIVE, **changes: Any) -> Coupon:
    """A coupon of these terms."""
    return replace(coupons.issue("cp.bQ.x", "m", "five", terms, ("reward_order", "ro"), NOW, "CNY"), **changes)


def bill(goods: int, shipping: int | None = None, currency: str = "CNY", order: tuple[str, str] = ORDER) -> Bill:
    """What an order costs."""
    return Bill(order, Money(goods, currency), None if shipping is None else Money(shipping, currency))


def used(coupon: Coupon, paid: Bill, account: Account = MEMBER, moment: Moment = NOW) -> tuple[Coupon, Account, int]:
    """The coupon and the account once it is used, and what it took off."""
    after, change, discount = coupons.use(coupon, account, paid, PROGRAM, moment)
    return after, change.account, discount.amount_minor


def refusal_of(coupon: Coupon, paid: Bill, **more: Any) -> Refusal:
    """How it is refused."""
    with pytest.raises(Refusal) as caught:
        used(coupon, paid, **more)
    return caught.value


@pytest.mark.parametrize(
    ("terms", "paid", "discount"),
    [
        (FIVE, bill(10_000), 500),
        (FIVE, bill(499), 499),
        (CouponTerms(CouponKind.OVER, 2_000, threshold_minor=10_000), bill(10_000), 2_000),
        (CouponTerms(CouponKind.PERCENT, percent=Fraction(1, 10)), bill(999), 99),
        (CouponTerms(CouponKind.PERCENT, percent=Fraction(1, 10), max_discount_minor=50), bill(999), 50),
        (CouponTerms(CouponKind.PERCENT, percent=Fraction(1)), bill(999), 999),
        (CouponTerms(CouponKind.SHIPPING, 1_000), bill(5_000, shipping=800), 800),
        (CouponTerms(CouponKind.SHIPPING, 1_000), bill(5_000, shipping=1_800), 1_000),
        (CouponTerms(CouponKind.SHIPPING, 1_000), bill(0, shipping=1), 1),
    ],
)
def test_what_each_kind_takes_off(terms: CouponTerms, paid: Bill, discount: int) -> None:
    """Money, at most what the goods cost; a share rounded down to the minor unit; what shipping costs."""
    after, _, off = used(issued(terms), paid)

    assert discount == off == after.discount_minor
    assert (CouponStatus.USED, ORDER, NOW.now) == (after.status, after.order, after.used_at)


TERMS = st.one_of(
    st.builds(CouponTerms, st.just(CouponKind.AMOUNT), st.integers(1, 5_000), threshold_minor=st.integers(0, 5_000)),
    st.builds(CouponTerms, st.just(CouponKind.OVER), st.integers(1, 5_000), threshold_minor=st.integers(1, 5_000)),
    st.builds(
        CouponTerms,
        st.just(CouponKind.PERCENT),
        percent=st.integers(1, 1_000).map(lambda thousandths: Fraction(thousandths, 1_000)),
        max_discount_minor=st.none() | st.integers(1, 5_000),
        threshold_minor=st.integers(0, 5_000),
    ),
    st.builds(CouponTerms, st.just(CouponKind.SHIPPING), st.integers(1, 5_000), threshold_minor=st.integers(0, 5_000)),
)


@given(TERMS, st.integers(0, 10_000), st.none() | st.integers(0, 3_000))
def test_no_order_costs_less_than_nothing(terms: CouponTerms, goods: int, shipping: int | None) -> None:
    """Whatever a coupon is good for: it takes off no more than there is, and is refused where that is nothing."""
    try:
        _, _, off = used(issued(terms), bill(goods, shipping))
    except CouponNotUsable:
        off = 0
    base = shipping or 0 if terms.kind is CouponKind.SHIPPING else goods
    assert 0 <= off <= base
    assert not terms.percent or off <= goods * terms.percent
    assert bool(off) == (goods >= terms.threshold_minor and base * (terms.percent or 1) >= 1)


def test_below_its_threshold_a_coupon_says_what_is_missing() -> None:
    """A minor unit below; at the threshold it is good."""
    coupon = issued(CouponTerms(CouponKind.OVER, 2_000, threshold_minor=10_000))

    assert {
        "because": "ORDER_TOO_SMALL",
        "threshold": {"amount_minor": 10_000, "currency": "CNY"},
        "missing": {"amount_minor": 1, "currency": "CNY"},
    } == refusal_of(coupon, bill(9_999)).facts()


@pytest.mark.parametrize("paid", [bill(0), bill(0, shipping=500)])
def test_a_coupon_is_not_wasted_on_an_order_it_takes_nothing_off(paid: Bill) -> None:
    """The order costs nothing, or only shipping: the coupon stays the member's."""
    assert {"because": "NOTHING_OFF"} == refusal_of(issued(), paid).facts()


def test_a_shipping_coupon_needs_shipping() -> None:
    """An order that is fetched costs none."""
    assert {"because": "NOTHING_OFF"} == refusal_of(issued(CouponTerms(CouponKind.SHIPPING, 500)), bill(9_000)).facts()


@pytest.mark.parametrize(
    "paid", [bill(900, currency="JPY"), Bill(ORDER, Money(900, "CNY"), Money(500, "JPY"))], ids=["goods", "shipping"]
)
def test_a_coupon_is_good_for_one_currency(paid: Bill) -> None:
    """Of the goods and of shipping; it says which."""
    assert {"because": "OTHER_CURRENCY", "currency": "CNY"} == refusal_of(issued(), paid).facts()


def test_a_coupon_keeps_its_currency_when_the_programs_changes() -> None:
    """5 yuan do not become 5 euros."""
    euros = replace(PROGRAM, currency="EUR")

    assert Money(500, "CNY") == coupons.discount_on(issued(), bill(900), euros.currency)
    assert Money(500, "EUR") == coupons.discount_on(issued(currency=None), bill(900, currency="EUR"), euros.currency)


@pytest.mark.parametrize(
    ("terms", "last"),
    [
        (replace(FIVE, valid_days=0), "2026-03-01"),
        (replace(FIVE, valid_days=7), "2026-03-08"),
        (replace(FIVE, valid_until=day("2026-03-05")), "2026-03-05"),
    ],
)
def test_a_coupon_is_good_through_the_whole_of_its_last_day(terms: CouponTerms, last: str) -> None:
    """In the program's time zone: good in the last second of the day in Shanghai, expired in the next."""
    coupon = issued(terms)
    end = PROGRAM.moment(noon(last).now.replace(hour=15, minute=59, second=59))
    after = PROGRAM.moment(end.now + timedelta(seconds=1))

    assert 500 == used(coupon, bill(900), moment=end)[2]
    assert {"because": "EXPIRED", "expired_on": last} == refusal_of(coupon, bill(900), moment=after).facts()
    assert (CouponStatus.ISSUED, CouponStatus.EXPIRED) == (status_on(coupon, end.today), status_on(coupon, after.today))


def test_a_coupon_is_used_once() -> None:
    """On the same order or another: the refusal says on which it was, and when."""
    after, account, _ = used(issued(), bill(900))

    for order in (ORDER, ("standard", "o-2")):
        assert {
            "because": "USED",
            "order": {"source": "standard", "order_id": "o-1"},
            "used_at": "2026-03-01T12:00:00Z",
        } == refusal_of(after, bill(900, order=order), account=account).facts()


def test_a_void_coupon_is_good_for_nothing() -> None:
    """It says so; it is not voided twice, nor after it was used or has expired."""
    gone = coupons.void(issued(), NOW)

    assert {"because": "VOID"} == refusal_of(gone, bill(900)).facts()
    for coupon in (gone, used(issued(), bill(900))[0], issued(expires_on=day("2026-02-28"))):
        with pytest.raises(WrongStatus):
            coupons.void(coupon, NOW)


def test_nothing_is_used_from_an_account_that_is_not_active() -> None:
    """A frozen member's coupons are frozen too."""
    assert isinstance(refusal_of(issued(), bill(900), account=replace(MEMBER, status=Status.FROZEN)), AccountFrozen)


def test_so_many_coupons_of_a_reward_are_used_in_a_day() -> None:
    """One a day: a second of the same reward waits until tomorrow, one of another reward does not."""
    coupon = issued(replace(FIVE, uses_per_day=1))
    _, account, _ = used(coupon, bill(900))

    refused = refusal_of(coupon, bill(900), account=account)

    assert isinstance(refused, LimitReached)
    resets = "2026-03-01T16:00:00+00:00"
    assert {"limit": "coupon_uses_per_day", "allowed": 1, "resets_at": resets} == refused.facts()
    assert used(replace(coupon, reward="other"), bill(900), account=account)
    assert used(coupon, bill(900), account=account, moment=noon("2026-03-02", PROGRAM))


def test_a_released_coupon_is_as_it_was() -> None:
    """With its own last valid day, and the day's use given back."""
    coupon = issued(replace(FIVE, uses_per_day=1, valid_days=7))
    after, account, _ = used(coupon, bill(900))

    back, change = coupons.release(after, account, ORDER, PROGRAM, NOW)

    assert coupon == back
    assert MEMBER.standing == change.account.standing


def test_a_coupon_that_expired_while_it_was_used_stays_expired() -> None:
    """Released after its last day it is ISSUED to nobody."""
    after, account, _ = used(issued(replace(FIVE, valid_days=0)), bill(900))
    tomorrow = noon("2026-03-02", PROGRAM)

    back, _ = coupons.release(after, account, ORDER, PROGRAM, tomorrow)

    assert CouponStatus.EXPIRED is status_on(back, tomorrow.today)
    assert "EXPIRED" == refusal_of(back, bill(900), moment=tomorrow).facts()["because"]


def test_a_late_message_about_an_earlier_order_frees_nothing() -> None:
    """Used on o-1, released, used on o-2: another release for o-1 is refused, and so is one of a coupon not in use."""
    after, account, _ = used(issued(), bill(900))
    back, _ = coupons.release(after, account, ORDER, PROGRAM, NOW)
    again, _, _ = used(back, bill(900, order=("standard", "o-2")))

    with pytest.raises(CouponNotUsable) as caught:
        coupons.release(again, account, ORDER, PROGRAM, NOW)
    assert {"source": "standard", "order_id": "o-2"} == caught.value.facts()["order"]
    with pytest.raises(WrongStatus):
        coupons.release(back, account, ORDER, PROGRAM, NOW)
