"""Bids: what is decided about the points of an auction, as pure functions on accounts and documents.

    place    bidder: HOLD            the one before: RELEASE, OUTBID      auction: top, bids, end
    win      winner: REDEEM of the hold, a reward order                   auction: SOLD
    unsold   nothing is held                                              auction: UNSOLD
    cancel   highest bid: RELEASE                                         auction: CANCELED

At every instant an auction holds points of one member at most, those of its highest bid: each of these decisions is one
transaction over all that it changes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from jifen.domain import debits
from jifen.domain import limits as member_limits
from jifen.domain import lots as lot_book
from jifen.domain.account import HOLDS_MAX, Account, Change, as_of, caught_up, release
from jifen.domain.auctions import Auction, AuctionStatus, AuctionTerms, Bid, BidStatus, Top
from jifen.domain.calendar import local_day
from jifen.domain.debits import Guard
from jifen.domain.entries import Draft, Kind, Reason, Source, instant_text
from jifen.domain.errors import BidTooLow, LimitReached, NotOpen, WrongStatus
from jifen.domain.limits import MemberLimit, Use
from jifen.domain.offers import RewardKind
from jifen.domain.program import Moment
from jifen.domain.reward_orders import RewardOrder, begun, stepped
from jifen.domain.rewards import OrderStatus
from jifen.domain.rules.model import Per
from jifen.domain.terms import MallTerms


@dataclass(frozen=True, slots=True)
class Asked:
    """A bid that is asked for: ``points`` under ``id``, by ``actor``."""

    id: str
    points: int
    actor: str


@dataclass(frozen=True, slots=True)
class Placed:
    """A bid that was placed: the bidder's account, the auction, the bid, and the bidder's own bid before it."""

    change: Change
    auction: Auction
    bid: Bid
    raised: Bid | None = None


@dataclass(frozen=True, slots=True)
class Won:
    """A bid that has won: the winner's account, the auction, the bid, and the order of what was won."""

    change: Change
    auction: Auction
    bid: Bid
    order: RewardOrder


def stage(auction: Auction, moment: Moment) -> str:
    """The state that people see: SCHEDULED, OPEN or CLOSING by the clock, then what came of it."""
    if auction.status is not AuctionStatus.OPEN:
        return str(auction.status)
    if moment.now < auction.opens_at:
        return "SCHEDULED"
    return "OPEN" if moment.now < auction.closes_at else "CLOSING"


def check_unopened(auction: Auction, moment: Moment) -> None:
    """See that nobody relies on the auction yet: it has not opened by the clock, and nobody has bid.

    Clocks of two machines differ: where there is a bid, it has opened, whatever this one says.

    Raises:
        WrongStatus
    """
    now = stage(auction, moment)
    if now != "SCHEDULED" or auction.bids:
        raise WrongStatus(status_now="OPEN" if now == "SCHEDULED" else now, needs=["SCHEDULED"])


def least(auction: Auction, terms: AuctionTerms) -> int:
    """The least points of the next bid."""
    return auction.top.points + terms.step_points if auction.top else terms.start_points


def check(auction: Auction, terms: AuctionTerms, points: int, moment: Moment) -> None:
    """See that the auction takes a bid of ``points`` now, whoever bids.

    Raises:
        NotOpen, LimitReached, BidTooLow
    """
    match stage(auction, moment):
        case "OPEN":
            pass
        case "SCHEDULED":
            raise NotOpen(because="The auction has not opened yet", opens_at=auction.opens_at)
        case "CANCELED":
            raise NotOpen(because="The auction was canceled")
        case _:
            raise NotOpen(because="The auction is over", closed_at=auction.closes_at)
    asked = least(auction, terms)
    if terms.max_points is not None and max(points, asked) > terms.max_points:
        raise LimitReached(limit="max_points", points=terms.max_points)
    if points < asked:
        raise BidTooLow(asked=points, least=asked)


def place(
    account: Account, auction: Auction, terms: AuctionTerms, own: Bid | None, asked: Asked, guard: Guard, moment: Moment
) -> Placed:
    """Hold the points of a bid; ``own`` is the highest bid where it is the bidder's, whose points are free for it.

    Raises:
        NotOpen, LimitReached, BidTooLow, AccountFrozen, PasswordRequired, InsufficientPoints: nothing is changed.
    """
    check(auction, terms, asked.points, moment)
    before, raised = (give_back(account, own, BidStatus.RAISED, moment)) if own else (Change(account), None)
    limits = terms.limits(auction.id)
    change, taken = debits.take(before.account, asked.points, moment, limits, guard)
    if len(change.account.holds) >= HOLDS_MAX:
        first = min(hold.expires_at for hold in change.account.holds)
        raise LimitReached(limit="open_holds", points=HOLDS_MAX, resets_at=first)
    draft = Draft(
        kind=Kind.HOLD,
        reason=Reason.BID_PLACED,
        source=Source("auction", auction.id),
        occurred_at=moment.now,
        lots=taken,
        hold_id=asked.id,
        hold_lots=lot_book.reverse(taken),
        hold_expires_at=terms.kept_until,
        why=(
            {
                "auction": auction.id,
                "hold": asked.id,
                "held": asked.points,
                "expires_at": instant_text(terms.kept_until),
            },
        ),
        actor=asked.actor,
    )
    change = change.post(draft, moment)
    counted = tuple((one.subject, str(one.per), one.unit) for one in debits.counted_limits((), guard))
    bid = Bid(asked.id, account.member, auction.id, asked.points, moment.now, counted=counted)
    top = Top(account.member, asked.id, asked.points, moment.now)
    after = replace(auction, top=top, bids=auction.bids + 1, closes_at=_end_after_bid(auction, terms, moment))
    return Placed(replace(change, entries=(*before.entries, *change.entries)), after, bid, raised)


def _end_after_bid(auction: Auction, terms: AuctionTerms, moment: Moment) -> datetime:
    """The end, put off where the bid came within ``extend_s`` of it."""
    put_off = min(moment.now + timedelta(seconds=terms.extend_s), terms.last_end)
    return max(auction.closes_at, put_off)


def give_back(account: Account, bid: Bid, status: BidStatus, moment: Moment) -> tuple[Change, Bid]:
    """The points of a bid back in their lots, whatever the state of the account; the bid in its new ``status``.

    What has lapsed while it was held lapses at once. It no longer counts as spent.
    """
    change = as_of(account, moment)
    hold = change.account.hold(bid.id)
    if hold is not None:
        reason = Reason.BID_OUTBID if status is BidStatus.OUTBID else Reason.BID_RELEASED
        change = caught_up(release(change, hold, moment, reason, occurred_at=moment.now), moment)
    if bid.counted:
        limits = [MemberLimit(unit, subject, Per(per), unit, 0) for subject, per, unit in bid.counted]
        then = Moment(bid.at, bid.at, local_day(bid.at, moment.zone), moment.zone)
        standing = change.account.standing
        change = change.remember(member_limits.unused(standing, limits, Use(bid.points), moment, then))
    return change, replace(bid, status=status)


def is_over(auction: Auction, moment: Moment) -> bool:
    """Whether it has ended and waits to be settled."""
    return auction.status is AuctionStatus.OPEN and moment.now >= auction.closes_at


def win(
    account: Account,
    auction: Auction,
    terms: AuctionTerms,
    bid: Bid,
    order_id: str,
    mall: MallTerms,
    moment: Moment,
    by: str,
) -> Won | None:
    """Spend what the highest bid holds, and begin the order of what it won; None where nothing is held any more.

    A frozen account wins as well: its points were taken out of its hands when it bid, as those of any hold.
    """
    change = as_of(account, moment)
    hold = change.account.hold(bid.id)
    if hold is None:
        return None
    taken = lot_book.take(hold.lots, hold.points, lambda _lot: True)
    draft = Draft(
        kind=Kind.REDEEM,
        reason=Reason.AUCTION_WON,
        source=Source("auction", auction.id),
        occurred_at=moment.now,
        points=-hold.points,
        hold_id=hold.hold_id,
        hold_lots=taken,
        why=({"auction": auction.id, "hold": hold.hold_id, "captured": hold.points, "order": order_id},),
        actor=by,
    )
    order = RewardOrder(
        id=order_id,
        member=bid.member,
        reward=auction.id,
        kind=str(terms.kind),
        title=terms.title,
        at=moment.now,
        status=OrderStatus.CREATED,
        points=hold.points,
        spent=lot_book.reverse(taken),
        details={"bid": bid.id},
        source=("auction", auction.id),
    )
    # A virtual good of an auction has no pool of codes: a person hands it over.
    if terms.kind is RewardKind.VIRTUAL:
        order = stepped(order, OrderStatus.TO_SHIP, moment, by)
    else:
        order = begun(order, mall, moment, by)
    after = replace(auction, status=AuctionStatus.SOLD, order=order_id)
    return Won(change.post(draft, moment), after, replace(bid, status=BidStatus.WON), order)


def unsold(auction: Auction) -> Auction:
    """The auction once it is over without anybody to sell it to."""
    return replace(auction, status=AuctionStatus.UNSOLD)


def canceled(auction: Auction, moment: Moment) -> Auction:
    """The auction taken back, before it was settled.

    Raises:
        WrongStatus: it was settled or canceled before.
    """
    if auction.status is not AuctionStatus.OPEN:
        raise WrongStatus(status_now=stage(auction, moment), needs=["SCHEDULED", "OPEN", "CLOSING"])
    return replace(auction, status=AuctionStatus.CANCELED)
