"""The shapes in which the API shows lotteries and auctions; see :mod:`jifen.domain.views`.

They stand apart because only one function answers with them, and each shape costs a start.
"""

from __future__ import annotations

from typing import TypedDict

from jifen.domain.operator_views import FindingView
from jifen.domain.views import Day, Instant

# Lotteries -----------------------------------------------------------------------------------------------------------


class PrizeView(TypedDict):
    """A prize of a lottery: its odds (exact), its pieces in all and those left (null: no end of them).

    ``out_of_stock`` is what happens when none is left: another prize's id, ``nothing`` or ``refund``.
    """

    id: str
    title: str
    kind: str
    odds: str
    points: int | None
    stock: int | None
    left: int | None
    out_of_stock: str | None


class SecretView(TypedDict):
    """The secret of a day that is over: which of the lottery's days it was, from 1, and its date."""

    day: int
    date: Day
    secret: str


class LotteryView(TypedDict):
    """A lottery: UPCOMING, BEGINNING (it changes no more), OPEN, PAUSED, OVER or CANCELED.

    ``commitment`` is the end of the chain of secrets, ``terms_hash`` that over what was written. ``today`` is the day
    that draws are for now, from 1. Every secret that was shown before follows from ``latest_secret`` by hashing it.
    """

    lottery_id: str
    title: str
    status: str
    cost: int
    attempts_per_day: int | None
    first_day: Day
    last_day: Day
    days: int
    time_zone: str
    opens_at: Instant
    closes_at: Instant
    today: int | None
    forfeit_days: int
    commitment: str
    terms_hash: str
    prizes: list[PrizeView]
    latest_secret: SecretView | None


class LotteryWhole(LotteryView):
    """A lottery with what was written of it, and the secrets of all days that are over."""

    terms: dict[str, object]
    secrets: list[SecretView]


class LotteryWritten(LotteryWhole):
    """A lottery that was written, and what there is to be said of its odds."""

    warnings: list[FindingView]


class LotteriesView(TypedDict):
    """A page of lotteries, ids from z to a."""

    lotteries: list[LotteryView]
    cursor: str | None


class WonView(TypedDict):
    """What was won."""

    id: str
    title: str
    kind: str


class DrawView(TypedDict):
    """A draw: WON, NOTHING, or REFUNDED because what was drawn was out of stock.

    ``drawn_prize`` is what the number falls on, ``prize`` what was given for it. ``secret`` is that of the day, once it
    is over. With the lottery's own answer it can be worked out again: ``jifen verify-draw``.
    """

    draw_id: str
    member_id: str
    lottery_id: str
    at: Instant
    day: Day
    attempt: int
    client_seed: str
    number: int
    outcome: str
    drawn_prize: str | None
    prize: WonView | None
    points_won: int
    cost: int
    commitment: str
    terms_hash: str
    secret: str | None
    coupon: str | None
    reward_order_id: str | None
    why: list[dict[str, object]]


class DrawnView(DrawView):
    """A draw that was just made: what is left to spend, and how many draws of the day (null: no limit)."""

    available: int
    attempts_left: int | None


class DrawsView(TypedDict):
    """A page of a member's draws; within a page the latest comes first."""

    draws: list[DrawView]
    cursor: str | None


# Auctions ------------------------------------------------------------------------------------------------------------


class TopView(TypedDict):
    """The highest bid; ``bidder`` is masked for other members, who are not told the id of the bid either."""

    points: int
    at: Instant
    bidder: str
    own: bool
    bid_id: str | None


class AuctionView(TypedDict):
    """An auction as it is now: SCHEDULED, OPEN, CLOSING (over, not settled yet), SOLD, UNSOLD or CANCELED.

    ``until`` is the end that was written, ``closes_at`` the one to which late bids have put it off, by at most
    ``extend_max_s``. ``least_points`` is the least next bid; null once no bid is taken any more. ``order_id`` is the
    reward order of who won, shown to that member and to the shop's people.
    """

    auction_id: str
    title: str
    kind: str
    description: str
    status: str
    opens_at: Instant
    until: Instant
    closes_at: Instant
    extend_s: int
    extend_max_s: int
    start_points: int
    step_points: int
    max_points: int | None
    max_bids_per_member: int | None
    bids: int
    least_points: int | None
    top: TopView | None
    order_id: str | None


class AuctionsView(TypedDict):
    """A page of auctions, ids from z to a."""

    auctions: list[AuctionView]
    cursor: str | None


class PlacedView(TypedDict):
    """A bid that is the highest now; its points are held. ``extended`` where it has put off the end."""

    bid_id: str
    auction_id: str
    status: str
    points: int
    available: int
    least_points: int
    closes_at: Instant
    extended: bool


class BidView(TypedDict):
    """A bid: TOP (its points are held), OUTBID, RAISED by a higher one of the same member, WON or RELEASED."""

    bid_id: str
    auction_id: str
    points: int
    status: str
    at: Instant


class BidsView(TypedDict):
    """A page of a member's bids; within a page the latest comes first."""

    bids: list[BidView]
    cursor: str | None
