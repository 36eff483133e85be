"""Auctions in points: a bid holds its points, and gives them back the moment it is outbid.

    OPEN ──time──> (closing) ──settle──> SOLD | UNSOLD
      └──cancel──> CANCELED                              every way out leaves no hold behind

The highest bid's points are held until the auction is settled; then they are spent and a reward order is made. What an
operator writes of it:

    {"title": "Tea set", "kind": "physical", "start_points": 1, "step_points": 1,
     "from": "2026-12-01T20:00:00+08:00", "until": "2026-12-01T21:00:00+08:00", "extend_s": 60, "extend_max_s": 600}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from jifen.domain.limits import TIMES, MemberLimit
from jifen.domain.offers import DESCRIPTION_MAX, RewardKind, instant
from jifen.domain.points import POINTS_MAX
from jifen.domain.reader import Reader, Section
from jifen.domain.rules.model import Per

KINDS = (RewardKind.PHYSICAL, RewardKind.VIRTUAL, RewardKind.SERVICE)
"""What can be sold to the highest bid."""

DAYS_MAX = 366
"""The longest that bids are taken: points of the highest one are held all that time."""

EXTEND_MAX_S = 3_600
EXTEND_ALL_MAX_S = 86_400

SETTLE_WITHIN = timedelta(days=30)
"""For how long after its last end an auction can be settled: until then the points are kept."""


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
        content: what was written of it, see :class:`AuctionTerms`; from its first instant on it never changes.
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
    RAISED = "RAISED"
    WON = "WON"
    RELEASED = "RELEASED"


@dataclass(frozen=True, slots=True)
class Bid:
    """One bid; its id is also that of the hold that keeps its points.

    Attributes:
        id, member: whose it is; the id names the member.
        auction: the auction's id.
        points: what was bid; held while the bid is the highest.
        at: when.
        status: RAISED by a higher bid of the same member, OUTBID by somebody else's.
        counted: the counters that count it while it is held, each as [subject, per, unit].
        version: counts writes; 0 is one never written.
    """

    id: str
    member: str
    auction: str
    points: int
    at: datetime
    status: BidStatus = BidStatus.TOP
    counted: tuple[tuple[str, str, str], ...] = ()
    version: int = 0


# What an operator writes ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AuctionTerms:
    """An auction as it was read.

    Attributes:
        title, description: for people.
        kind: one of :data:`KINDS`.
        start_points: the least first bid.
        step_points: by how much the next bid is higher at least.
        opens_at, closes_at: bids are taken from the one instant on, and before the other, unless it is put off.
        extend_s: a bid within so many seconds of the end puts it off to so many seconds after that bid.
        extend_max_s: how far the end is put off in all.
        max_points: no bid is higher; None for no limit.
        max_bids_per_member: how often one member can bid; None for no limit.
    """

    title: str
    kind: RewardKind
    opens_at: datetime
    closes_at: datetime
    start_points: int = 1
    step_points: int = 1
    description: str = ""
    extend_s: int = 0
    extend_max_s: int = 0
    max_points: int | None = None
    max_bids_per_member: int | None = None

    @property
    def last_end(self) -> datetime:
        """The last instant to which late bids can put off the end."""
        return self.closes_at + timedelta(seconds=self.extend_max_s)

    @property
    def kept_until(self) -> datetime:
        """When held points go back by themselves, if nobody has settled the auction by then."""
        return self.last_end + SETTLE_WITHIN

    def limits(self, auction_id: str) -> tuple[MemberLimit, ...]:
        """The limits of one member."""
        most = self.max_bids_per_member
        return () if most is None else (MemberLimit("bids_per_member", f"auction.{auction_id}", Per.EVER, TIMES, most),)


KNOWN = (
    "title",
    "kind",
    "description",
    "start_points",
    "step_points",
    "from",
    "until",
    "extend_s",
    "extend_max_s",
    "max_points",
    "max_bids_per_member",
)


def read_auction(content: object) -> AuctionTerms:
    """Read what was written of an auction.

    Args:
        content: what ``json.loads`` made of it.

    Raises:
        InvalidInput: with every fault by its path.
    """
    reader = Reader()
    terms = _terms(reader.root(content, KNOWN))
    reader.refuse("auction")
    return terms


def _terms(root: Section) -> AuctionTerms:
    title = root.text("title").strip()
    if not title and isinstance(root.data.get("title", ""), str):
        root.fault("title", "is missing")
    opens, closes = _window(root)
    extend = root.whole("extend_s", 0, EXTEND_MAX_S, 0)
    terms = AuctionTerms(
        title=title,
        kind=RewardKind(root.choice("kind", KINDS, RewardKind.PHYSICAL)),
        opens_at=opens,
        closes_at=closes,
        start_points=root.whole("start_points", 1, POINTS_MAX, 1),
        step_points=root.whole("step_points", 1, POINTS_MAX, 1),
        description=_description(root),
        extend_s=extend,
        extend_max_s=root.whole("extend_max_s", 0, EXTEND_ALL_MAX_S, min(10 * extend, EXTEND_ALL_MAX_S)),
        max_points=root.limit("max_points", 1, POINTS_MAX),
        max_bids_per_member=root.limit("max_bids_per_member", 1, POINTS_MAX),
    )
    if terms.extend_max_s and not terms.extend_s:
        root.fault("extend_max_s", "bounds extend_s, which is not there")
    if terms.max_points is not None and terms.max_points < terms.start_points:
        root.fault("max_points", "is below start_points")
    return terms


_NEVER = datetime(9000, 1, 1, tzinfo=UTC)
"""Stands for an instant that was refused."""


def _window(root: Section) -> tuple[datetime, datetime]:
    opens, closes = instant(root, "from"), instant(root, "until")
    for key in ("from", "until"):
        if root.data.get(key) is None:
            root.fault(key, "is missing")
    if opens is None or closes is None:
        return _NEVER - timedelta(days=1), _NEVER
    if opens >= closes:
        root.fault("until", "is not after from")
    elif closes - opens > timedelta(days=DAYS_MAX):
        root.fault("until", f"is more than {DAYS_MAX} days after from")
    return opens, closes


def _description(root: Section) -> str:
    value = root.data.get("description", "")
    if not isinstance(value, str) or len(value) > DESCRIPTION_MAX:
        root.fault("description", f"is not a text of at most {DESCRIPTION_MAX} characters")
        return ""
    return value
