"""Coupons: a discount that a member holds, used once, on one order, until its own last valid day.

ISSUED ──use──> USED ──release──> ISSUED        released when the order it was used on came to nothing
   └──void──> VOID                              time tells EXPIRED

A coupon is a document of its own, so that using it twice at once fails for one of the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any


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
