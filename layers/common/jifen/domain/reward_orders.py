"""Reward orders: what a member exchanged points for, and its way to the member.

    CREATED ──> ADDRESS_DUE ──> TO_SHIP ──> SHIPPED ──> FULFILLED        CREATED: money is due besides the points
       │            │ │            │           │            │
       └────────────┴─┼────────────┴──> CANCELED <          └──> RETURNED
                      └──> FORFEITED    points back               points back

Every step is kept with who took it; one that moves points is an entry besides, any other a line of the audit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from jifen.domain.lots import Changes
from jifen.domain.offers import RewardKind
from jifen.domain.program import Moment
from jifen.domain.rewards import OrderStatus, Step
from jifen.domain.terms import MallTerms


@dataclass(frozen=True, slots=True)
class RewardOrder:
    """One reward order.

    Attributes:
        id, member: whose it is; the id names the member.
        reward: the reward's id; of a prize, the lottery or auction it came from as ``source``.
        kind: of the reward, as it was: physical, virtual, service, coupon, donation, voucher.
        title: of the reward, as it was.
        at: when it was ordered.
        quantity, points, cash_minor, currency: how many pieces, and their price in all.
        status: see above.
        spent: the lots that the points came from (positive).
        restored: how many of the points went back.
        counted: the limits it was counted against, each as [subject, per, unit].
        codes: of a pool, those it got.
        pieces: where its pieces came from: how many by shard; those that went back are left out.
        marks: which reservation they were, by shard; see :class:`jifen.domain.rewards.Reserved`.
        stock: the stock's subject; empty where it has none.
        returned: how many of its pieces were taken back.
        put_back: whether pieces of it still have to go back into the stock.
        back: which, by shard, where it is a part of them; empty for all.
        due: when the next thing that has to be done is overdue (money, address); None where nothing was ever due.
        address: where it goes.
        shipping: carrier and number.
        details: what its kind has besides (a receipt, coupon ids, points credited).
        source: where it comes from where it was not chosen in the mall: ``draw`` or ``auction`` and its id.
        steps: what happened, oldest first.
        version: counts writes; 0 is one never written.
    """

    id: str
    member: str
    reward: str
    kind: str
    title: str
    at: datetime
    status: OrderStatus
    quantity: int = 1
    points: int = 0
    cash_minor: int = 0
    currency: str | None = None
    spent: Changes = ()
    restored: int = 0
    counted: tuple[tuple[str, str, str], ...] = ()
    codes: tuple[str, ...] = ()
    pieces: Mapping[str, int] = field(default_factory=dict)
    marks: Mapping[str, int] = field(default_factory=dict)
    stock: str = ""
    returned: int = 0
    put_back: bool = False
    back: Mapping[str, int] = field(default_factory=dict)
    due: datetime | None = None
    address: Mapping[str, Any] = field(default_factory=dict)
    shipping: Mapping[str, Any] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)
    source: tuple[str, str] | None = None
    steps: tuple[Step, ...] = ()
    version: int = 0

    @property
    def due_at(self) -> datetime | None:
        """When somebody has to look at it: pieces to put back, or a deadline that still lies ahead."""
        if self.put_back:
            return self.steps[-1].at if self.steps else self.at
        return self.due if self.status in {OrderStatus.CREATED, OrderStatus.ADDRESS_DUE} else None


def abandoned(order_id: str, member: str, fence: int, at: datetime) -> RewardOrder:
    """The document that keeps an attempt from being posted whose pieces are given away; ``fence`` is its version."""
    return RewardOrder(order_id, member, "", "", "", at, OrderStatus.ABANDONED, version=fence)


def begun(order: RewardOrder, terms: MallTerms, moment: Moment, by: str) -> RewardOrder:
    """An order that was just made, in the status it begins in: money first where some is due."""
    if order.cash_minor:
        due = moment.now + timedelta(minutes=terms.cash_minutes)
        return stepped(replace(order, due=due), OrderStatus.CREATED, moment, by)
    return paid_up(order, terms, moment, by)


def paid_up(order: RewardOrder, terms: MallTerms, moment: Moment, by: str) -> RewardOrder:
    """The order once everything is paid: an address is due, somebody has to do it, or it is done."""
    match order.kind:
        case RewardKind.PHYSICAL:
            due = moment.now + timedelta(days=terms.address_days)
            return stepped(replace(order, due=due), OrderStatus.ADDRESS_DUE, moment, by)
        case RewardKind.SERVICE:
            return stepped(replace(order, due=None), OrderStatus.TO_SHIP, moment, by)
        case _:
            return stepped(replace(order, due=None), OrderStatus.FULFILLED, moment, by)


def stepped(order: RewardOrder, status: OrderStatus, moment: Moment, by: str, note: str = "") -> RewardOrder:
    """The order in another status, with the step that led there."""
    return replace(order, status=status, steps=(*order.steps, Step(status, moment.now, by, note)))
