"""Auctions in points: a bid holds its points, and gives them back the moment it is outbid.

    OPEN ──time──> (closing) ──settle──> SOLD | UNSOLD
      └──cancel──> CANCELED                              every way out leaves no hold behind

The highest bid's points are held until the auction is settled; then they are spent and a reward order is made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class AuctionStatus(StrEnum):
    """The state of an auction."""

    OPEN = "OPEN"
    SOLD = "SOLD"
    UNSOLD = "UNSOLD"
    CANCELED = "CANCELED"


@dataclass(frozen=True, slots=True)
class Top:
    """The highest bid: whose, its id (which is that of its hold), its points, and when."""

    member: str
    bid: str
    points: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Auction:
    """One auction.

    Attributes:
        id: as the operator named it.
        content: what was written of it: title, reward, start and step in points, window; it never changes.
        opens_at, closes_at: ``closes_at`` moves when a late bid extends it.
        status: see :class:`AuctionStatus`.
        top: the highest bid; None before the first.
        bids: how many there were.
        order: the reward order of who won.
        by, at: who wrote it, and when.
        version: counts writes; 0 is one never written.
    """

    id: str
    content: Mapping[str, Any]
    opens_at: datetime
    closes_at: datetime
    by: str
    at: datetime
    status: AuctionStatus = AuctionStatus.OPEN
    top: Top | None = None
    bids: int = 0
    order: str = ""
    version: int = 0

    @property
    def due_at(self) -> datetime | None:
        """When it has to be settled."""
        return self.closes_at if self.status is AuctionStatus.OPEN else None


class BidStatus(StrEnum):
    """What became of a bid."""

    TOP = "TOP"
    OUTBID = "OUTBID"
    WON = "WON"
    RELEASED = "RELEASED"


@dataclass(frozen=True, slots=True)
class Bid:
    """One bid; its id is also that of the hold that keeps its points."""

    id: str
    member: str
    auction: str
    points: int
    at: datetime
    status: BidStatus = BidStatus.TOP
    version: int = 0
