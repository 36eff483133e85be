"""Coupons: a discount that a member holds, used once, on one order, until its own last valid day.

ISSUED ──use──> USED ──release──> ISSUED        released when the order it was used on came to nothing
   └──void──> VOID                              time tells EXPIRED

A coupon is a document of its own, so that using it twice at once fails for one of the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from fractions import Fraction
from typing import Any

from jifen.domain.offers import CouponTerms
from jifen.domain.program import Moment


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
    version: int = 0


def issue(
    coupon_id: str, member: str, reward: str, terms: CouponTerms, source: tuple[str, str], moment: Moment
) -> Coupon:
    """A new coupon, valid from today."""
    last = terms.valid_until
    if terms.valid_days is not None:
        last = moment.today + timedelta(days=terms.valid_days)
    return Coupon(coupon_id, member, reward, terms_plain(terms), moment.now, source, last)


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


def decimal(share: Fraction) -> str:
    """An exact share with at most nine decimals as text."""
    whole, rest = divmod(share.numerator * 10**9 // share.denominator, 10**9)
    return f"{whole}.{rest:09d}".rstrip("0").rstrip(".")
