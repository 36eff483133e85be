"""Orders as joined facts.

    order.paid ─────┐
    order.refunded ─┼──join──> Order (paid state, refunds by id, cancelled)  ──kept_minor──> what the buyer kept
    order.cancelled ┘

``join`` is idempotent and does not care about the order of arrival, so neither do the points: they are a function of
the joined order alone. Two rules decide between facts that exclude each other: of paid states the highest revision
wins, the first of equals; of refunds with one id the first wins. The later one is reported as a conflict, not lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from jifen.domain.errors import LimitReached

if TYPE_CHECKING:  # the webhook reads orders and knows no rules
    from jifen.domain.rules.model import RuleSet

LINES_MAX = 20_000
"""The most lines an order or refund may have."""

REFUNDS_MAX = 2_000
"""The most refunds one order may collect."""


class LineKind(StrEnum):
    """What a line is; only goods less discounts, and less what was paid with points, earn."""

    GOODS = "goods"
    SHIPPING = "shipping"
    DISCOUNT = "discount"
    POINTS = "points"
    FEE = "fee"
    GIFT_VOUCHER = "gift_voucher"
    SAMPLE = "sample"
    MANUAL = "manual"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a paid order: ``amount_minor`` (>= 0) for all its pieces together, in minor units.

    ``tax_minor`` is the tax contained in it. A ``discount`` and what was paid with ``points`` are positive amounts that
    lower the basis.
    """

    number: int
    sku: str
    amount_minor: int
    kind: LineKind = LineKind.GOODS
    category: str | None = None
    tax_minor: int = 0


@dataclass(frozen=True, slots=True)
class RefundLine:
    """One line given back; a ``kind`` of None is that of the order's line ``orig_line``, else goods."""

    amount_minor: int
    kind: LineKind | None = None
    orig_line: int | None = None


@dataclass(frozen=True, slots=True)
class Paid:
    """The paid state of an order. ``member`` None is a guest; ``at`` is the instant of payment."""

    member: str | None
    at: datetime
    currency: str
    lines: tuple[Line, ...]
    revision: int = 0


@dataclass(frozen=True, slots=True)
class Refund:
    """One refund: its lines, or ``total_minor`` where it names none."""

    refund_id: str
    at: datetime
    currency: str
    lines: tuple[RefundLine, ...]
    total_minor: int | None = None


class EventType(StrEnum):
    """The order events we act on."""

    PAID = "order.paid"
    REFUNDED = "order.refunded"
    CANCELLED = "order.cancelled"


@dataclass(frozen=True, slots=True)
class OrderEvent:
    """One fact about an order, in the form every shop's adapter produces.

    ``order_id`` is None only for a refund that names no order; ``member`` is who the shop says the customer is.
    """

    type: EventType
    event_id: str
    shop: str
    order_id: str | None
    member: str | None
    at: datetime
    paid: Paid | None = None
    refund: Refund | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """The points of an award that share one lot: ``points`` valid from ``active_from`` through ``last_valid_day``.

    ``lapsed`` is the part of them whose last valid day was past when they were awarded, the payment came so late.
    """

    points: int
    last_valid_day: date | None
    active_from: date | None = None
    lapsed: int = 0


@dataclass(frozen=True, slots=True)
class Pinned:
    """What an award keeps of the moment it was first made, and what it has counted elsewhere since.

    Attributes:
        refused: rules that did not apply to this member at that time, with the reason; they stay refused.
        rooms: what each cap left, by its key, as (window, room).
        budgets: what each campaign's budget left.
        grants: the points of each rule, 0 left out.
        tasks: what the order counted towards each task, as (window, amount).
        kept_minor: what was kept of the order when it was last judged.
        spent: what the order counted towards what its buyer spends, as (month, minor units); None: nothing.
    """

    refused: Mapping[str, str] = field(default_factory=dict)
    rooms: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    budgets: Mapping[str, int] = field(default_factory=dict)
    grants: Mapping[str, int] = field(default_factory=dict)
    tasks: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    kept_minor: int = 0
    spent: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Award:
    """What an order has been granted so far, to whom, into which lots, and the rules it was granted under.

    The ``parts`` add up to what the order is entitled to. ``rules``, ``currency``, lot dates and ``pinned`` are those
    of the first award, so a later change of the program never reaches back.
    """

    member: str
    parts: tuple[Part, ...]
    rules: RuleSet
    currency: str | None
    paid_at: datetime
    pinned: Pinned = Pinned()

    @property
    def granted(self) -> int:
        """The points of all parts."""
        return sum(part.points for part in self.parts)

    @property
    def lapsed(self) -> int:
        """Points that were past their last valid day when they were awarded."""
        return sum(part.lapsed for part in self.parts)


@dataclass(frozen=True, slots=True)
class Order:
    """Everything known about one order.

    ``forgiven`` is the part of clawbacks that policy ``clamp`` let go, by member; it is taken back first should the
    order grow again for that member. ``referral`` is what the buyer's inviter was granted for it. ``used`` are the ids
    of the redemptions and holds whose points pay a part of it. ``version`` counts the writes of the document; 0 is one
    never written.
    """

    shop: str
    order_id: str
    paid: Paid | None = None
    refunds: Mapping[str, Refund] = field(default_factory=dict)
    cancelled: bool = False
    award: Award | None = None
    forgiven: Mapping[str, int] = field(default_factory=dict)
    referral: Award | None = None
    used: tuple[str, ...] = ()
    version: int = 0

    @property
    def name(self) -> str:
        """The order's own name in what is remembered of a member."""
        return f"{self.shop}#{self.order_id}"


@dataclass(frozen=True, slots=True)
class Joined:
    """The order after a fact. ``conflict`` says which earlier fact the new one contradicted, if it did."""

    order: Order
    changed: bool
    conflict: str | None = None


def join(order: Order, event: OrderEvent) -> Joined:
    """Add one fact to what is known of the order.

    Raises:
        LimitReached: the order has ``REFUNDS_MAX`` refunds already; the event is for a person to look at.
    """
    match event.type:
        case EventType.CANCELLED:
            return Joined(replace(order, cancelled=True), changed=not order.cancelled)
        case EventType.REFUNDED:
            assert event.refund is not None, "a refund event carries its refund"
            return _join_refund(order, event.refund)
        case EventType.PAID:
            assert event.paid is not None, "a paid event carries its paid state"
            return _join_paid(order, event.paid)


def _join_paid(order: Order, paid: Paid) -> Joined:
    known = order.paid
    if known is None or paid.revision > known.revision:
        return Joined(replace(order, paid=paid), changed=True)
    contradicts = paid.revision == known.revision and paid != known
    return Joined(order, changed=False, conflict=f"paid, revision {paid.revision}" if contradicts else None)


def _join_refund(order: Order, refund: Refund) -> Joined:
    known = order.refunds.get(refund.refund_id)
    if known is None:
        if len(order.refunds) >= REFUNDS_MAX:
            raise LimitReached(limit="refunds_of_one_order", points=REFUNDS_MAX)
        return Joined(replace(order, refunds={**order.refunds, refund.refund_id: refund}), changed=True)
    contradicts = known != refund
    return Joined(order, changed=False, conflict=f"refund {refund.refund_id}" if contradicts else None)


GIVEN_BACK = "refunds"
"""What the adapter of a shop that tells states, and no refunds, names the discount by which goods went back."""


def is_given_back(line: Line) -> bool:
    """Whether a discount of a paid state is what went back since."""
    return line.kind is LineKind.DISCOUNT and line.sku == GIVEN_BACK and line.number < 0


_GOODS = frozenset({LineKind.GOODS})
_LOWERS = frozenset({LineKind.DISCOUNT, LineKind.POINTS})


def basis_minor(paid: Paid, kinds: frozenset[LineKind] = _GOODS) -> int:
    """Lines of ``kinds`` (goods) less discounts and less what was paid with points, never below 0, in minor units."""
    basis = 0
    for line in paid.lines:
        if line.kind in kinds:
            basis += line.amount_minor
        elif line.kind in _LOWERS:
            basis -= line.amount_minor
    return max(0, basis)


def given_back_minor(refund: Refund, known: Mapping[int, LineKind], kinds: frozenset[LineKind] = _GOODS) -> int:
    """What of ``kinds`` a refund gives back, in minor units; ``known`` are the kinds of the order's lines by number."""
    if not refund.lines:
        return refund.total_minor or 0
    return sum(line.amount_minor for line in refund.lines if kind_given_back(line, known) in kinds)


def kind_given_back(line: RefundLine, known: Mapping[int, LineKind]) -> LineKind:
    """The kind of a refund's line: its own, else that of the order's line it names, else goods."""
    if line.kind is not None:
        return line.kind
    return LineKind.GOODS if line.orig_line is None else known.get(line.orig_line, LineKind.GOODS)


def kept_minor(order: Order) -> int:
    """What the buyer kept and paid for, in minor units: 0 before payment and after a cancellation.

    A refund in another currency than the payment cannot be compared and gives nothing back; see :func:`oddities`.
    """
    return kept_of_kinds(order, _GOODS)[0]


def kept_of_kinds(order: Order, kinds: frozenset[LineKind]) -> tuple[int, int]:
    """What was kept of lines of ``kinds``, and what it was before refunds; both 0 unless paid and not cancelled."""
    if order.paid is None or order.cancelled:
        return 0, 0
    basis = basis_minor(order.paid, kinds)
    if not order.refunds:
        return basis, basis
    known = {line.number: line.kind for line in order.paid.lines if line.kind is not LineKind.GOODS}
    refunds = (refund for refund in order.refunds.values() if refund.currency == order.paid.currency)
    return max(0, basis - sum(given_back_minor(refund, known, kinds) for refund in refunds)), basis


def oddities(order: Order) -> tuple[str, ...]:
    """Facts that could not be used, for the log: refunds in a foreign currency."""
    if order.paid is None:
        return ()
    foreign = [refund for refund in order.refunds.values() if refund.currency != order.paid.currency]
    return tuple(f"refund {refund.refund_id} is in {refund.currency}, not {order.paid.currency}" for refund in foreign)
