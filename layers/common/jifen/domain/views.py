"""The shapes in which the API shows things: what the functions answer, and what the OpenAPI document says of it.

Here is what spending shows; :mod:`jifen.domain.member_views` has accounts, :mod:`jifen.domain.engage_views` what
members do. A day is ``YYYY-MM-DD`` in the program's time zone, an instant RFC 3339. Points are whole.
"""

from __future__ import annotations

from typing import Annotated, NotRequired, TypedDict

Day = Annotated[str, "date"]
Instant = Annotated[str, "date-time"]


class MoneyView(TypedDict):
    """An amount in minor units of its currency."""

    amount_minor: int
    currency: str


class LotView(TypedDict):
    """Points with one last valid day (null: they never expire) and one day from which they count (null: they do)."""

    points: int
    expires_on: Day | None
    active_from: Day | None


class RedemptionView(TypedDict):
    """Points spent, with the lots they came from; ``discount`` where the program knows what they are worth.

    ``restored`` are those of them that went back at once, where a part of the order was given back before.
    """

    redemption_id: str
    points: int
    restored: NotRequired[int]
    discount: NotRequired[MoneyView]
    available: int
    lots: list[LotView]


class RestoreView(TypedDict):
    """Points given back: now ``points``, in all ``restored``, with the lots they went into."""

    redemption_id: str
    points: int
    restored: int
    available: int
    lots: list[LotView]


class HoldView(TypedDict):
    """Points reserved until ``expires_at``; ``discount`` where the program knows what they are worth."""

    hold_id: str
    status: str
    points: int
    discount: NotRequired[MoneyView]
    expires_at: Instant
    available: int


class CaptureView(TypedDict):
    """A hold spent: ``points`` of it, the rest ``released``; ``redemption_id`` is what a restore names.

    ``restored`` are those of them that went back at once, where a part of the order was given back before.
    """

    hold_id: str
    redemption_id: str
    status: str
    points: int
    released: int
    restored: NotRequired[int]
    available: int
    lots: list[LotView]


class VoidView(TypedDict):
    """A hold given back."""

    hold_id: str
    status: str
    points: int
    released: int
    available: int


class TransferView(TypedDict):
    """Points given to another member.

    ``lots`` are what the receiver gets, ``active_from`` the first day on which they can be used (null: at once);
    ``available`` is what the sender has left.
    """

    transfer_id: str
    points: int
    to: str
    available: int
    active_from: Day | None
    lots: list[LotView]


class TransferCanceledView(TypedDict):
    """A transfer taken back; ``available`` is what the sender can spend now."""

    transfer_id: str
    status: str
    points: int
    available: int


class TransferDetailView(TypedDict):
    """A transfer as both sides may see it: SENT or CANCELED, with the lots that the receiver was given."""

    transfer_id: str
    member_id: str
    to: str
    points: int
    status: str
    sent_at: Instant
    active_from: Day | None
    canceled_at: Instant | None
    note: str
    lots: list[LotView]


class TransfersView(TypedDict):
    """A page of what a member gave."""

    transfers: list[TransferDetailView]
    cursor: str | None


class PointsPasswordView(TypedDict):
    """Whether there is a points password, since when, until when it is locked, and from when a new one can be used."""

    member_id: str
    is_set: bool
    changed_at: Instant | None
    locked_until: Instant | None
    usable_from: Instant | None


class WillEarnView(TypedDict):
    """What an order earns if it is paid now, with a line for each rule and limit."""

    points: int
    why: list[dict[str, object]]


class CheckoutLimitView(TypedDict):
    """A limit at the checkout: how many points it allows now, and from when all of them again (null: never).

    ``binding``: more points could be used but for this one.
    """

    name: str
    points: int
    resets_at: Instant | None
    binding: bool


class CanRedeemView(TypedDict):
    """The most points that can pay for an order, what they take off, and every limit that was looked at."""

    points: int
    discount: MoneyView
    limits: list[CheckoutLimitView]


class ForDiscountView(TypedDict):
    """The fewest points for a discount that is wanted, what they take off, and whether they can be used.

    ``limits`` are those that do not allow them.
    """

    points: int
    discount: MoneyView
    usable: bool
    limits: list[CheckoutLimitView]


class QuoteView(TypedDict):
    """What an order earns and how many points can pay for it; ``earns_then`` is what it earns if they do."""

    member_id: str
    will_earn: WillEarnView
    can_redeem: CanRedeemView
    earns_then: int
    for_discount: NotRequired[ForDiscountView]


class FaultView(TypedDict):
    """One thing wrong with a request: where (``order_total.currency``) and what."""

    field: str
    problem: str


class AcceptedView(TypedDict):
    """Nothing to say: the event is safe, or was none of ours."""
