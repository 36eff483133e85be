"""Bidding: auctions written by operators, bids that hold their points, and the end of an auction.

    bid      auction, highest bid, both accounts ──one transaction──> hold, release, top
    settle   once, by whoever comes first: the deadlines worker or a request
    cancel   an operator's; what was held goes back

Every decision about an auction is conditional on the auction's document, so two bids, a bid and the end, or two ends
are never both made on what only one of them saw. The account that is outbid is written in the transaction of the bid
that outbids it; where it has moved meanwhile, all of it is decided again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from jifen.domain import bids
from jifen.domain.account import Account
from jifen.domain.auctions import Auction, AuctionStatus, AuctionTerms, Bid, BidStatus, read_auction
from jifen.domain.entries import instant_text
from jifen.domain.errors import (
    AccountFrozen,
    AuctionNotFound,
    Fault,
    InsufficientPoints,
    InvalidInput,
    LimitReached,
    NotOpen,
    PasswordRequired,
    WrongStatus,
)
from jifen.domain.ids import document_id, fingerprint
from jifen.domain.program import Moment, Program
from jifen.domain.ruling import AuditLine
from jifen.service.answering import Answer, Once
from jifen.service.deciding import Decision, account_writes, decide_once
from jifen.service.guarding import guard_when_asked
from jifen.service.mall_documents import AuctionKey, BidKey
from jifen.service.ports import AUCTIONS, DocumentMoved, Ledger, Loaded, Patience, Posting, of_member
from jifen.service.ports import settle as until_settled

if TYPE_CHECKING:
    from jifen.domain.play_views import AuctionsView, AuctionView, BidsView, BidView, PlacedView, TopView

RESTS_ON_ACCOUNT = (InsufficientPoints, AccountFrozen, LimitReached, PasswordRequired)
"""Refusals for what the account is like; all others follow from the request or the auction alone."""

SYSTEM = "system"
"""Who settles an auction when nobody asked for it."""


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who looks at an auction: for which member, and whether the shop's own people do, who see ids of members."""

    member: str | None = None
    staff: bool = False


@dataclass(frozen=True, slots=True)
class Bidding:
    """The use cases of one invocation: ``key`` is the caller's idempotency key, empty for a request without one."""

    ledger: Ledger
    program: Program
    moment: Moment
    patience: Patience
    subject: str
    actor: str
    key: str = ""

    # Operators

    def write(self, auction_id: str, content: Mapping[str, Any]) -> AuctionView:
        """Write an auction, or write it anew while it has not opened; the same again changes nothing.

        Raises:
            InvalidInput: with every fault by its path.
            WrongStatus: it has opened, or was canceled.
            Busy
        """
        terms = read_auction(content)
        key = AuctionKey(auction_id)

        def attempt() -> Auction:
            known = self.ledger.load([], [key]).documents.get(key)
            before = known if isinstance(known, Auction) else None
            if before and before.content == content:
                return before
            if before:
                bids.check_unopened(before, self.moment)
            if terms.closes_at <= self.moment.now:
                raise InvalidInput([Fault("until", "is past")])
            version = before.version if before else 0
            after = Auction(
                id=auction_id,
                content=content,
                opens_at=terms.opens_at,
                closes_at=terms.closes_at,
                by=self.actor,
                at=self.moment.now,
                version=version,
            )
            line = self._line(f"auction.{auction_id}.{version + 1}", "auction.written", auction_id, "", content)
            self.ledger.commit(Posting(documents=(after, line)), self.patience)
            return replace(after, version=version + 1)

        return _auction_view(until_settled(self.patience, attempt), self.moment, Viewer(staff=True))

    def settle(self, auction_id: str) -> Answer:
        """Settle an auction that is over; one that was settled is answered as it is.

        Raises:
            AuctionNotFound
            NotOpen: it is not over yet; says when it will be.
            WrongStatus: it was canceled.
            IdempotencyKeyReused, Busy
        """
        key = AuctionKey(auction_id)

        def decide(loaded: Loaded) -> Decision:
            auction = _found(loaded, auction_id)
            if auction.status is AuctionStatus.CANCELED:
                raise WrongStatus(status_now=str(auction.status), needs=["CLOSING"])
            if auction.status is AuctionStatus.OPEN and not bids.is_over(auction, self.moment):
                raise NotOpen(because="The auction is not over yet", opens_at=auction.closes_at)
            return _settled(self.ledger, self.program, auction, self.moment, self.actor)

        once = self._once("settle", [auction_id])
        return decide_once(self.ledger, self.patience, once, [], [key], decide)[1]

    def cancel(self, auction_id: str, reason: str) -> Answer:
        """Take an auction back before it is settled; what the highest bid holds goes back.

        Raises:
            AuctionNotFound
            WrongStatus: it was settled or canceled before.
            IdempotencyKeyReused, Busy
        """
        once = self._once("cancel", [auction_id, reason])

        def decide(loaded: Loaded) -> Decision:
            auction = _found(loaded, auction_id)
            after = bids.canceled(auction, self.moment)
            line = self._line(once.key[:22], "auction.canceled", auction_id, reason, {"bids": auction.bids})
            view = _auction_view(after, self.moment, Viewer(staff=True))
            account, top = _top_of(self.ledger, auction)
            if account is None or top is None:
                return Decision(200, view, None, (after, line))
            change, released = bids.give_back(account, top, BidStatus.RELEASED, self.moment)
            changes, read = {account.member: change}, {account.member: account}
            return Decision(200, view, changes, (after, released, line), read)

        return decide_once(self.ledger, self.patience, once, [], [AuctionKey(auction_id)], decide)[1]

    # Members

    def bid(self, member: str, auction_id: str, points: int, password: str | None = None) -> Answer:
        """Bid ``points``: they are held, and those of the bid before go back, in one transaction.

        Raises:
            AuctionNotFound, NotOpen, BidTooLow, LimitReached, InsufficientPoints, AccountFrozen
            PasswordRequired, PasswordWrong, PasswordLocked, PasswordNotSet, PasswordTooNew
            IdempotencyKeyReused, Busy
        """
        once = self._once("bid", [member, auction_id, points])
        asked = bids.Asked(str(document_id("bd", member, once.key)), points, self.actor)

        guarded = guard_when_asked(self.ledger, self.program, self.moment, self.patience, member, password)

        def decide(loaded: Loaded) -> Decision:
            auction, account = _found(loaded, auction_id), loaded.accounts[member]
            terms = read_auction(auction.content)
            if auction.top and auction.top.bid == asked.id:
                # Another attempt of this request is just being written: its answer is to be seen in a moment.
                raise DocumentMoved
            bids.check(auction, terms, points, self.moment)
            other, top = _top_of(self.ledger, auction, known=account)
            own = top if other is account else None
            try:
                placed = bids.place(account, auction, terms, own, asked, guarded(), self.moment)
            except RESTS_ON_ACCOUNT:
                self._check_unmoved(account, auction)
                raise
            view = self._placed_view(placed, auction, terms)
            documents = (placed.auction, placed.bid)
            if placed.raised:
                return Decision(201, view, {member: placed.change}, (*documents, placed.raised))
            if other is None or top is None:
                return Decision(201, view, {member: placed.change}, documents)
            change, outbid = bids.give_back(other, top, BidStatus.OUTBID, self.moment)
            changes = {member: placed.change, other.member: change}
            return Decision(201, view, changes, (*documents, outbid), {other.member: other})

        return decide_once(self.ledger, self.patience, once, [member], [AuctionKey(auction_id)], decide)[1]

    def _check_unmoved(self, account: Account, auction: Auction) -> None:
        """See that a refusal rests on one state of the world; a commit is held to that by its conditions.

        Account and auction are read together, but not at one instant: the member may have been outbid in between, and
        would be refused for points that are free again.

        Raises:
            DocumentMoved: decide again.
        """
        key = AuctionKey(auction.id)
        again = self.ledger.load([account.member], [key])
        now = again.documents.get(key)
        if now is None or now.version != auction.version or again.accounts[account.member].revision != account.revision:
            raise DocumentMoved

    # Reading

    def view(self, auction_id: str, viewer: Viewer) -> AuctionView:
        """One auction as it is now; nothing is written, and one that is over shows CLOSING until it is settled.

        Raises:
            AuctionNotFound
        """
        found = _found(self.ledger.load([], [AuctionKey(auction_id)]), auction_id)
        return _auction_view(found, self.moment, viewer)

    def auctions(self, viewer: Viewer, before: str | None, limit: int) -> AuctionsView:
        """A page of the auctions, ids from z to a; the cursor is the ledger's own."""
        page = self.ledger.listed(AUCTIONS, before, limit)
        found = [_auction_view(one, self.moment, viewer) for one in page.documents if isinstance(one, Auction)]
        return {"auctions": found, "cursor": page.cursor}

    def bids_of(self, member: str, before: str | None, limit: int) -> BidsView:
        """A page of a member's bids, the latest of the page first; the cursor is the ledger's own."""
        page = self.ledger.listed(of_member("bids", member), before, limit)
        found = sorted((one for one in page.documents if isinstance(one, Bid)), key=lambda bid: bid.at, reverse=True)
        return {"bids": [_bid_view(one) for one in found], "cursor": page.cursor}

    def _once(self, operation: str, asked: list[object]) -> Once:
        return Once.asked(self.subject, self.key, fingerprint(operation, asked))

    def _line(self, line_id: str, action: str, auction_id: str, reason: str, details: Mapping[str, Any]) -> AuditLine:
        return AuditLine(line_id, self.moment.now, self.actor, action, f"auction/{auction_id}", reason, details)

    def _placed_view(self, placed: bids.Placed, before: Auction, terms: AuctionTerms) -> PlacedView:
        after = placed.auction
        return {
            "bid_id": placed.bid.id,
            "auction_id": after.id,
            "status": str(placed.bid.status),
            "points": placed.bid.points,
            "available": placed.change.account.available(self.moment.today),
            "least_points": bids.least(after, terms),
            "closes_at": instant_text(after.closes_at),
            "extended": after.closes_at > before.closes_at,
        }


def settle(
    ledger: Ledger, program: Program, auction: Auction, moment: Moment, patience: Patience, by: str = SYSTEM
) -> Auction:
    """Settle an auction that is over, once however often this is called; the auction as it is then.

    One that is not over (it was put off since ``auction`` was read), or was settled or canceled, stays as it is.

    Raises:
        Busy: others kept winning until the caller's time was up.
    """
    key = AuctionKey(auction.id)

    def attempt() -> Auction:
        now = _found(ledger.load([], [key]), auction.id)
        decision = _settled(ledger, program, now, moment, by)
        if not decision.documents:
            return now
        writes = account_writes(decision.read or {}, decision.changes or {})
        ledger.commit(Posting(writes, decision.documents), patience)
        after = decision.documents[0]
        assert isinstance(after, Auction), "the auction comes first"
        return replace(after, version=after.version + 1)

    return until_settled(patience, attempt)


def _settled(ledger: Ledger, program: Program, auction: Auction, moment: Moment, by: str) -> Decision:
    """What makes an end of an auction that is over, the auction first; nothing where it is not, or has one."""
    viewer = Viewer(staff=True)
    if not bids.is_over(auction, moment):
        return Decision(200, _auction_view(auction, moment, viewer))
    account, top = _top_of(ledger, auction)
    if account is None or top is None:
        after = bids.unsold(auction)
        return Decision(200, _auction_view(after, moment, viewer), None, (after,))
    # A key with a blank in it is none that a caller can have: no other order of the member has this id.
    order_id = str(document_id("ro", account.member, f"auction {auction.id}"))
    read, terms = {account.member: account}, read_auction(auction.content)
    won = bids.win(account, auction, terms, top, order_id, program.mall, moment, by)
    if won is None:
        change, released = bids.give_back(account, top, BidStatus.RELEASED, moment)
        after = bids.unsold(auction)
        view = _auction_view(after, moment, viewer)
        return Decision(200, view, {account.member: change}, (after, released), read)
    view = _auction_view(won.auction, moment, viewer)
    return Decision(200, view, {account.member: won.change}, (won.auction, won.bid, won.order), read)


def _found(loaded: Loaded, auction_id: str) -> Auction:
    found = loaded.documents.get(AuctionKey(auction_id))
    if not isinstance(found, Auction):
        raise AuctionNotFound
    return found


def _top_of(ledger: Ledger, auction: Auction, known: Account | None = None) -> tuple[Account | None, Bid | None]:
    """The account behind the highest bid, and the bid; None where there is none. ``known`` is not read again.

    Raises:
        DocumentMoved: the transaction of the bid is just being written, and only a part of it is to be seen.
    """
    top = auction.top
    if top is None:
        return None, None
    key = BidKey(top.member, top.bid)
    loaded = ledger.load([] if known and known.member == top.member else [top.member], [key])
    found = loaded.documents.get(key)
    if not isinstance(found, Bid):
        raise DocumentMoved
    return loaded.accounts.get(top.member, known), found


# How it is shown -----------------------------------------------------------------------------------------------------


def masked(member: str) -> str:
    """What others see of a member's id: its first character, where it has more of them."""
    return f"{member[0]}***" if len(member) > 2 else "***"  # noqa: PLR2004 - of two, the first would be half


def _auction_view(auction: Auction, moment: Moment, viewer: Viewer) -> AuctionView:
    terms, stage = read_auction(auction.content), bids.stage(auction, moment)
    own = auction.top is not None and auction.top.member == viewer.member
    return {
        "auction_id": auction.id,
        "title": terms.title,
        "kind": str(terms.kind),
        "description": terms.description,
        "status": stage,
        "opens_at": instant_text(auction.opens_at),
        "until": instant_text(terms.closes_at),
        "closes_at": instant_text(auction.closes_at),
        "extend_s": terms.extend_s,
        "extend_max_s": terms.extend_max_s,
        "start_points": terms.start_points,
        "step_points": terms.step_points,
        "max_points": terms.max_points,
        "max_bids_per_member": terms.max_bids_per_member,
        "bids": auction.bids,
        "least_points": bids.least(auction, terms) if stage in {"SCHEDULED", "OPEN"} else None,
        "top": _top_view(auction, viewer, own=own),
        "order_id": auction.order or None if viewer.staff or own else None,
    }


def _top_view(auction: Auction, viewer: Viewer, *, own: bool) -> TopView | None:
    top = auction.top
    if top is None:
        return None
    shown = viewer.staff or own
    return {
        "points": top.points,
        "at": instant_text(top.at),
        "bidder": top.member if shown else masked(top.member),
        "own": own,
        "bid_id": top.bid if shown else None,
    }


def _bid_view(bid: Bid) -> BidView:
    return {
        "bid_id": bid.id,
        "auction_id": bid.auction,
        "points": bid.points,
        "status": str(bid.status),
        "at": instant_text(bid.at),
    }
