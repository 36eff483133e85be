"""The shapes in which the API shows lotteries and auctions; see :mod:`jifen.domain.views`.

They stand apart because only one function answers with them, and each shape costs a start.
"""

from __future__ import annotations

from typing import TypedDict

from jifen.domain.views import Instant

# Lotteries -----------------------------------------------------------------------------------------------------------


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
