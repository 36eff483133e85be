"""Coupons: a discount that a member holds, used once, on one order, until its own last valid day.

ISSUED ──use──> USED ──release──> ISSUED        released when the order it was used on came to nothing
   └──void──> VOID                              time tells EXPIRED

A coupon is a document of its own, so that using it twice at once fails for one of the two.

    amount, over   the money it says           percent    of what the goods cost, rounded down to the minor unit
    shipping       what shipping costs         and never more than there is to pay: no order costs less than 0
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from fractions import Fraction
from typing import Any

from jifen.domain import debits, limits
from jifen.domain.account import Account, Change
from jifen.domain.entries import day_text, instant_text
from jifen.domain.errors import CouponNotUsable, WrongStatus
from jifen.domain.limits import TIMES, MemberLimit, Use
from jifen.domain.money import Money
from jifen.domain.offers import CouponKind, CouponTerms
from jifen.domain.program import Moment, Program
from jifen.domain.reader import decimal
from jifen.domain.rules.model import Per

NOTHING_OFF, ORDER_TOO_SMALL, OTHER_CURRENCY = "NOTHING_OFF", "ORDER_TOO_SMALL", "OTHER_CURRENCY"
"""Why a coupon cannot be used on an order, besides what its own status is."""


class CouponStatus(StrEnum):
    """The state of a coupon; EXPIRED is never stored, the clock tells it."""

    ISSUED = "ISSUED"
    USED = "USED"
    VOID = "VOID"
    EXPIRED = "EXPIRED"


@dataclass(frozen=True, slots=True)
class Coupon:
    """One coupon.

    Attributes:
        id, member: whose it is; the id names the member.
        reward: the reward it was exchanged for, or the prize it is.
        terms: what it is good for, as the reward said when it was issued.
        at: when it was issued.
        source: the reward order or draw that it came from, as type and id.
        expires_on: its last valid day; None for ever.
        status: see :class:`CouponStatus`.
        order: the order it was used on, as shop and order id.
        used_at: when.
        discount_minor: what it took off there.
        currency: of its amounts; None for the program's.
        version: counts writes; 0 is one never written.
    """

    id: str
    member: str
    reward: str
    terms: Mapping[str, Any]
    at: datetime
    source: tuple[str, str]
    expires_on: date | None = None
    status: CouponStatus = CouponStatus.ISSUED
    order: tuple[str, str] | None = None
    used_at: datetime | None = None
    discount_minor: int = 0
    currency: str | None = None
    version: int = 0

    @property
    def day_limits(self) -> tuple[MemberLimit, ...]:
        """How many coupons of its reward the member can use in a day."""
        most = self.terms.get("uses_per_day")
        if most is None:
            return ()
        return (MemberLimit("coupon_uses_per_day", f"coupon.{self.reward}", Per.DAY, TIMES, most),)


@dataclass(frozen=True, slots=True)
class Bill:
    """What an order costs before the coupon: the goods, less what other discounts took off, and shipping beside it."""

    order: tuple[str, str]
    goods: Money
    shipping: Money | None = None


def issue(
    coupon_id: str,
    member: str,
    reward: str,
    terms: CouponTerms,
    source: tuple[str, str],
    moment: Moment,
    currency: str | None = None,
) -> Coupon:
    """A new coupon, valid from today."""
    last = terms.valid_until
    if terms.valid_days is not None:
        last = moment.today + timedelta(days=terms.valid_days)
    return Coupon(coupon_id, member, reward, terms_plain(terms), moment.now, source, last, currency=currency)


def status_on(coupon: Coupon, today: date) -> CouponStatus:
    """The status of a coupon: one that was not used is valid through the whole of its last day."""
    gone = coupon.expires_on is not None and coupon.expires_on < today
    return CouponStatus.EXPIRED if gone and coupon.status is CouponStatus.ISSUED else coupon.status


def use(coupon: Coupon, account: Account, bill: Bill, program: Program, moment: Moment) -> tuple[Coupon, Change, Money]:
    """Use a coupon on an order: the coupon, the account with the use counted, and the discount.

    Raises:
        CouponNotUsable: saying why, and what is missing.
        AccountFrozen: the member's account is not one that anything can be spent from.
        LimitReached: that many coupons of this reward were used today.
    """
    status = status_on(coupon, moment.today)
    if status is not CouponStatus.ISSUED:
        raise _not_issued(coupon, status)
    debits.may_spend(account)
    discount = discount_on(coupon, bill, program.currency)
    limits.check(account.standing, coupon.day_limits, Use(0), moment)
    change = Change(account)
    if coupon.day_limits:
        change = change.remember(limits.used(account.standing, coupon.day_limits, Use(0), moment))
    after = replace(
        coupon,
        status=CouponStatus.USED,
        order=bill.order,
        used_at=moment.now,
        discount_minor=discount.amount_minor,
        currency=discount.currency,
    )
    return after, change, discount


def discount_on(coupon: Coupon, bill: Bill, currency: str | None) -> Money:
    """What a coupon takes off an order.

    Raises:
        CouponNotUsable: the order is too small, in another currency, or would cost the same.
    """
    money = coupon.currency or currency
    named = [bill.goods.currency, *([bill.shipping.currency] if bill.shipping else [])]
    if money is None or any(one != money for one in named):
        raise CouponNotUsable(f"The coupon is good for {money}.", because=OTHER_CURRENCY, currency=money)
    goods, terms = bill.goods.amount_minor, coupon.terms
    threshold = terms.get("threshold_minor", 0)
    if goods < threshold:
        raise CouponNotUsable(
            f"The goods cost {goods} and have to cost {threshold} at least.",
            because=ORDER_TOO_SMALL,
            threshold=_money(threshold, money),
            missing=_money(threshold - goods, money),
        )
    match CouponKind(terms["kind"]):
        case CouponKind.PERCENT:
            share = Fraction(terms["percent"])
            off = min(goods, goods * share.numerator // share.denominator, terms.get("max_discount_minor", goods))
        case CouponKind.SHIPPING:
            off = min(bill.shipping.amount_minor if bill.shipping else 0, terms["discount_minor"])
        case _:
            off = min(goods, terms["discount_minor"])
    if off < 1:
        raise CouponNotUsable("It would take nothing off this order.", because=NOTHING_OFF)
    return Money(off, money)


def release(
    coupon: Coupon, account: Account, order: tuple[str, str], program: Program, moment: Moment
) -> tuple[Coupon, Change]:
    """Give a coupon back whose order came to nothing; its last valid day stays what it was.

    Raises:
        WrongStatus: it is not used.
        CouponNotUsable: it is used on another order: a message about an earlier one does not free it.
    """
    if coupon.status is not CouponStatus.USED or coupon.used_at is None:
        raise WrongStatus(status_now=str(status_on(coupon, moment.today)), needs=[str(CouponStatus.USED)])
    if coupon.order != order:
        raise _not_issued(coupon, CouponStatus.USED)
    change = Change(account)
    if coupon.day_limits:
        then = program.moment(coupon.used_at)
        change = change.remember(limits.unused(account.standing, coupon.day_limits, Use(0), moment, then))
    return replace(coupon, status=CouponStatus.ISSUED, order=None, used_at=None, discount_minor=0), change


def void(coupon: Coupon, moment: Moment) -> Coupon:
    """A coupon that is good for nothing any more.

    Raises:
        WrongStatus: it was used, voided, or has expired.
    """
    status = status_on(coupon, moment.today)
    if status is not CouponStatus.ISSUED:
        raise WrongStatus(status_now=str(status), needs=[str(CouponStatus.ISSUED)])
    return replace(coupon, status=CouponStatus.VOID)


def _not_issued(coupon: Coupon, status: CouponStatus) -> CouponNotUsable:
    """The refusal for a coupon that is used, void or expired; only shops and operators get to see it."""
    if status is CouponStatus.USED and coupon.order and coupon.used_at:
        shop, order_id = coupon.order
        return CouponNotUsable(
            f"It was used on order {order_id}.",
            because=str(status),
            order={"source": shop, "order_id": order_id},
            used_at=instant_text(coupon.used_at),
        )
    if status is CouponStatus.EXPIRED:
        return CouponNotUsable(
            f"Its last valid day was {coupon.expires_on}.", because=str(status), expired_on=day_text(coupon.expires_on)
        )
    return CouponNotUsable("It was taken back.", because=str(status))


def _money(minor: int, currency: str) -> dict[str, Any]:
    return {"amount_minor": minor, "currency": currency}


def terms_plain(terms: CouponTerms) -> dict[str, Any]:
    """The terms as a coupon keeps and shows them, what does not apply left out."""
    said = {
        "kind": str(terms.kind),
        "discount_minor": terms.discount_minor,
        "percent": decimal(terms.percent) if terms.percent else None,
        "max_discount_minor": terms.max_discount_minor,
        "threshold_minor": terms.threshold_minor,
        "uses_per_day": terms.uses_per_day,
    }
    return {name: value for name, value in said.items() if value}
