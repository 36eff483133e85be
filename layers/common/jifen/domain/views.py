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
    """Points spent, with the lots they came from; ``discount`` where the program knows what they are worth."""

    redemption_id: str
    points: int
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
    """A hold spent: ``points`` of it, the rest ``released``; ``redemption_id`` is what a restore names."""

    hold_id: str
    redemption_id: str
    status: str
    points: int
    released: int
    available: int
    lots: list[LotView]


class VoidView(TypedDict):
    """A hold given back."""

    hold_id: str
    status: str
    points: int
    released: int
    available: int


class FaultView(TypedDict):
    """One thing wrong with a request: where (``order_total.currency``) and what."""

    field: str
    problem: str


class AcceptedView(TypedDict):
    """Nothing to say: the event is safe, or was none of ours."""
