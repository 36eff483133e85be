"""Bids as pure decisions: what is held, freed and spent, and what an auction's clock says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jifen.domain import bids
from jifen.domain import lots as lot_book
from jifen.domain.account import HOLDS_MAX, Account, Change, OpenHold, Status, as_of, credit
from jifen.domain.auctions import Auction, AuctionStatus, AuctionTerms, Bid, BidStatus, read_auction
from jifen.domain.debits import FREE, Guard
from jifen.domain.entries import Draft, Kind, Source
from jifen.domain.errors import (
    AccountFrozen,
    BidTooLow,
    Fault,
    InsufficientPoints,
    InvalidInput,
    LimitReached,
    NotOpen,
    PasswordRequired,
    WrongStatus,
)
from jifen.domain.limits import POINTS, MemberLimit, room
from jifen.domain.lots import Lot, LotChange
from jifen.domain.program import Moment, parse_program
from jifen.domain.rewards import OrderStatus
from jifen.domain.rules.model import Per
from jifen.service.ports import POSTING_ITEMS_MAX

PROGRAM = parse_program({"time_zone": "Asia/Shanghai"})
OPENS = datetime(2026, 3, 10, 4, tzinfo=UTC)
CLOSES = OPENS + timedelta(hours=1)
LAST_DAY = date(2027, 3, 31)
WRITTEN: Mapping[str, Any] = {
    "title": "Tea set",
    "kind": "physical",
    "from": OPENS.isoformat(),
    "until": CLOSES.isoformat(),
}
SPENT_TODAY = MemberLimit("any", "spent", Per.DAY, POINTS, 100)


def at(instant: datetime = OPENS) -> Moment:
    """The moment of an instant."""
    return PROGRAM.moment(instant)


def rich(member: str = "m1", *lots: LotChange, points: int = 100) -> Account:
    """An account with points."""
    changes = lots or (LotChange(points, LAST_DAY),)
    draft = Draft(Kind.BONUS, "GOODWILL", Source("adjustment", "j"), OPENS, lots=changes)
    return credit(Change(Account(member)), draft, at()).account


def auction(**changes: Any) -> tuple[Auction, AuctionTerms]:
    """An auction, and what was written of it."""
    content = {**WRITTEN, **changes}
    terms = read_auction(content)
    return Auction("tea", content, terms.opens_at, terms.closes_at, "operator:op", OPENS), terms


def placed(
    account: Account,
    points: int,
    sold: Auction,
    terms: AuctionTerms,
    own: Bid | None = None,
    guard: Guard = FREE,
    moment: Moment | None = None,
    name: str = "bd.bTE.1",
) -> bids.Placed:
    """A bid that is placed."""
    return bids.place(account, sold, terms, own, bids.Asked(name, points, "member:m1"), guard, moment or at())


# Held, freed, spent --------------------------------------------------------------------------------------------------


def test_a_bid_moves_points_into_a_hold_and_changes_no_balance() -> None:
    """One entry that says for which auction, and until when the points are kept."""
    sold, terms = auction()
    account = rich(points=50)
    done = placed(account, 20, sold, terms)
    (entry,) = done.change.entries
    assert (Kind.HOLD, "BID_PLACED", Source("auction", "tea"), 0) == (
        entry.draft.kind,
        entry.draft.reason,
        entry.draft.source,
        entry.draft.points,
    )
    assert (20, 30, 50) == (
        done.change.account.held,
        done.change.account.available(at().today),
        done.change.account.balance,
    )
    assert CLOSES + timedelta(days=30) == done.change.account.holds[0].expires_at
    assert ("m1", done.bid.id, 20, OPENS) == tuple(
        getattr(done.auction.top, name) for name in ("member", "bid", "points", "at")
    )


def test_soonest_expiring_points_are_held_first() -> None:
    """As with any other way of spending; given back, each goes to its own lot."""
    sold, terms = auction()
    account = rich("m1", LotChange(10, date(2026, 4, 30)), LotChange(10, date(2026, 3, 31)), LotChange(10, None))
    done = placed(account, 15, sold, terms)
    assert (Lot(10, date(2026, 3, 31)), Lot(5, date(2026, 4, 30))) == done.change.account.holds[0].lots
    change, bid = bids.give_back(done.change.account, done.bid, BidStatus.OUTBID, at())
    assert (account.lots, (), BidStatus.OUTBID) == (change.account.lots, change.account.holds, bid.status)


def test_raising_replaces_the_hold() -> None:
    """Release and hold in one posting; the bid before is RAISED."""
    sold, terms = auction()
    first = placed(rich(points=30), 20, sold, terms)
    then = placed(first.change.account, 30, first.auction, terms, first.bid, name="bd.bTE.2")
    assert [Kind.RELEASE, Kind.HOLD] == [entry.draft.kind for entry in then.change.entries]
    assert (["bd.bTE.2"], 30, 2) == (
        [hold.hold_id for hold in then.change.account.holds],
        then.change.account.held,
        then.auction.bids,
    )
    assert then.raised is not None
    assert BidStatus.RAISED is then.raised.status


def test_a_frozen_account_bids_no_more_but_gets_its_points_back() -> None:
    """To give back is no spending."""
    sold, terms = auction()
    done = placed(rich(), 20, sold, terms)
    frozen = replace(done.change.account, status=Status.FROZEN)
    with pytest.raises(AccountFrozen):
        placed(frozen, 30, done.auction, terms, done.bid)
    change, _ = bids.give_back(frozen, done.bid, BidStatus.OUTBID, at())
    assert (0, 100, Status.FROZEN) == (change.account.held, change.account.available(at().today), change.account.status)


def test_a_debt_is_paid_out_of_what_comes_back() -> None:
    """As with any hold that is released."""
    sold, terms = auction()
    done = placed(rich(), 20, sold, terms)
    owing = replace(done.change.account, debt=15)
    change, _ = bids.give_back(owing, done.bid, BidStatus.OUTBID, at())
    assert (0, 85, 0) == (change.account.debt, change.account.available(at().today), change.account.held)
    assert owing.balance == change.account.balance


def test_points_that_lapsed_while_held_lapse_when_they_come_back() -> None:
    """The release and the lapse are entries of one posting."""
    sold, terms = auction(until="2026-04-10T00:00:00Z")
    done = placed(rich("m1", LotChange(10, date(2026, 3, 31)), LotChange(10, None)), 15, sold, terms)
    late = at(datetime(2026, 4, 5, tzinfo=UTC))
    change, _ = bids.give_back(done.change.account, done.bid, BidStatus.OUTBID, late)
    assert [Kind.RELEASE, Kind.EXPIRE] == [entry.draft.kind for entry in change.entries]
    assert (10, 10) == (change.account.balance, change.account.lifetime.expired)


def test_a_raise_cannot_use_what_has_lapsed_meanwhile() -> None:
    """Then more than the difference is needed, and the refusal says what there is."""
    sold, terms = auction(until="2026-04-10T00:00:00Z")
    done = placed(rich("m1", LotChange(10, date(2026, 3, 31)), LotChange(10, None)), 15, sold, terms)
    late = at(datetime(2026, 4, 5, tzinfo=UTC))
    with pytest.raises(InsufficientPoints) as refusal:
        placed(done.change.account, 16, done.auction, terms, done.bid, moment=late)
    assert (16, 10) == (refusal.value.asked, refusal.value.available)


@pytest.mark.parametrize(
    ("kind", "status", "due"),
    [("physical", "ADDRESS_DUE", 7), ("service", "TO_SHIP", None), ("virtual", "TO_SHIP", None)],
)
def test_the_winner_gets_an_order(kind: str, status: str, due: int | None) -> None:
    """A thing needs an address; what a person does or sends is to be done. Its lots are kept, to go back one day."""
    sold, terms = auction(kind=kind)
    done = placed(rich("m1", LotChange(10, date(2026, 3, 31)), LotChange(10, None)), 15, sold, terms)
    end = at(CLOSES)
    won = bids.win(done.change.account, done.auction, terms, done.bid, "ro.bTE.x", PROGRAM.mall, end, "system")
    assert won is not None
    assert (AuctionStatus.SOLD, "ro.bTE.x", BidStatus.WON) == (won.auction.status, won.auction.order, won.bid.status)
    assert (5, 0, 15) == (
        won.change.account.balance,
        won.change.account.held,
        won.change.account.lifetime.redeemed,
    )
    order = won.order
    assert (15, ("auction", "tea"), kind, "Tea set", OrderStatus(status)) == (
        order.points,
        order.source,
        order.kind,
        order.title,
        order.status,
    )
    assert (LotChange(10, date(2026, 3, 31)), LotChange(5, None)) == order.spent
    assert (CLOSES + timedelta(days=due) if due else None) == order.due


def test_a_frozen_account_wins_what_it_has_bid() -> None:
    """Its points were held while it was in order; an operator cancels the order where it has to be."""
    sold, terms = auction()
    done = placed(rich(), 20, sold, terms)
    frozen = replace(done.change.account, status=Status.FROZEN)
    won = bids.win(frozen, done.auction, terms, done.bid, "ro.bTE.x", PROGRAM.mall, at(CLOSES), "system")
    assert won is not None
    assert (80, Status.FROZEN) == (won.change.account.balance, won.change.account.status)


def test_a_hold_that_has_run_out_wins_nothing() -> None:
    """Thirty days after the last end, and not before."""
    sold, terms = auction(extend_s=60, extend_max_s=600)
    done = placed(rich(), 20, sold, terms)
    out = CLOSES + timedelta(seconds=600, days=30)
    asked = (done.change.account, done.auction, terms, done.bid, "ro.bTE.x", PROGRAM.mall)
    assert bids.win(*asked, at(out), "system") is None
    assert bids.win(*asked, at(out - timedelta(microseconds=1)), "system") is not None


# The clock and the limits --------------------------------------------------------------------------------------------


def test_stages() -> None:
    """By the clock while it is open; what came of it afterwards."""
    sold, _ = auction()
    tick = timedelta(microseconds=1)
    seen = [bids.stage(sold, at(one)) for one in (OPENS - tick, OPENS, CLOSES - tick, CLOSES)]
    assert ["SCHEDULED", "OPEN", "OPEN", "CLOSING"] == seen
    assert "UNSOLD" == bids.stage(bids.unsold(sold), at(OPENS))
    assert [False, True] == [bids.is_over(sold, at(one)) for one in (CLOSES - tick, CLOSES)]
    assert not bids.is_over(bids.unsold(sold), at(CLOSES))
    with pytest.raises(WrongStatus):
        bids.canceled(bids.unsold(sold), at(CLOSES))


@given(
    st.lists(st.integers(-120, 120), min_size=1, max_size=12),
    st.integers(0, 90),
    st.integers(0, 200),
)
def test_the_end_only_moves_on_and_never_past_its_bound(offsets: list[int], extend: int, most: int) -> None:
    """Bids at any seconds around the end: taken before it, refused from it on; it never comes sooner."""
    sold, terms = auction(extend_s=extend, extend_max_s=most if extend else 0)
    account, points = rich(points=1_000), 0
    for offset in sorted(offsets):
        now = CLOSES + timedelta(seconds=offset)
        own = Bid(sold.top.bid, "m1", "tea", sold.top.points, sold.top.at) if sold.top else None
        points += 1
        if now >= sold.closes_at:
            with pytest.raises(NotOpen):
                placed(account, points, sold, terms, own, moment=at(now))
            continue
        done = placed(account, points, sold, terms, own, moment=at(now), name=f"bd.bTE.{points}")
        assert sold.closes_at <= done.auction.closes_at <= terms.last_end
        due = min(now + timedelta(seconds=extend), terms.last_end)
        assert max(sold.closes_at, due) == done.auction.closes_at
        account, sold = done.change.account, done.auction
        assert len(account.holds) == 1


def test_the_least_bid_is_a_step_above_the_highest() -> None:
    """And the start, before there is one."""
    sold, terms = auction(start_points=10, step_points=7)
    with pytest.raises(BidTooLow) as refusal:
        placed(rich(), 9, sold, terms)
    assert {"bid": 9, "least": 10} == refusal.value.facts()
    done = placed(rich(), 10, sold, terms)
    with pytest.raises(BidTooLow) as refusal:
        placed(rich("m2"), 16, done.auction, terms)
    assert {"bid": 16, "least": 17} == refusal.value.facts()


def test_bids_of_one_member_are_counted_by_auction() -> None:
    """Whatever became of them."""
    sold, terms = auction(max_bids_per_member=1)
    done = placed(rich(), 1, sold, terms)
    change, _ = bids.give_back(done.change.account, done.bid, BidStatus.OUTBID, at())
    with pytest.raises(LimitReached) as refusal:
        placed(change.account, 2, replace(done.auction, top=None), terms)
    assert {"limit": "bids_per_member", "allowed": 1, "resets_at": None} == refusal.value.facts()
    other = replace(done.auction, id="urn", top=None)
    assert 1 == placed(change.account, 1, other, terms).bid.points


def test_open_holds_are_bounded() -> None:
    """The account holds twenty; raising one of them takes no other place."""
    sold, terms = auction()
    done = placed(rich(points=200), 1, sold, terms)
    more = tuple(OpenHold(f"hd.bTE.{n}", (Lot(1, None),), CLOSES) for n in range(HOLDS_MAX - 1))
    full = replace(done.change.account, holds=(*done.change.account.holds, *more))
    assert HOLDS_MAX == len(placed(full, 2, done.auction, terms, done.bid, name="bd.bTE.2").change.account.holds)
    with pytest.raises(LimitReached) as refusal:
        placed(full, 1, replace(sold, id="urn"), terms)
    assert {"limit": "open_holds", "allowed": 20, "resets_at": CLOSES.isoformat()} == refusal.value.facts()


def test_the_password_counts_what_is_held_and_no_more() -> None:
    """A raise counts its difference, an outbid nothing; only the day of the bid is meant."""
    sold, terms = auction(until=(OPENS + timedelta(days=3)).isoformat())
    guard = Guard(above=100, proven=False)
    first = placed(rich(points=500), 60, sold, terms, guard=guard)
    then = placed(first.change.account, 100, first.auction, terms, first.bid, guard)
    assert 0 == room(then.change.account.standing, SPENT_TODAY, at())
    with pytest.raises(PasswordRequired):
        placed(then.change.account, 101, then.auction, terms, then.bid, guard)
    assert 101 == placed(then.change.account, 101, then.auction, terms, then.bid, Guard(100, proven=True)).bid.points
    change, _ = bids.give_back(then.change.account, then.bid, BidStatus.OUTBID, at())
    assert 100 == room(change.account.standing, SPENT_TODAY, at())
    tomorrow = at(OPENS + timedelta(days=1))
    change, _ = bids.give_back(then.change.account, then.bid, BidStatus.OUTBID, tomorrow)
    assert (100, 100) == (
        room(change.account.standing, SPENT_TODAY, tomorrow),
        room(change.account.standing, SPENT_TODAY, at()),
    )


def test_whatever_time_has_done_a_bid_fits_into_one_transaction() -> None:
    """Two accounts in which all that can be overdue is overdue, lapsing while it is held besides."""
    sold, terms = auction()
    late = at(CLOSES - timedelta(microseconds=1))
    lots = tuple(Lot(1, date(2025, 1, 1) + timedelta(days=n)) for n in range(120))
    holds = tuple(
        OpenHold(f"hd.bTE.{n}", tuple(Lot(1, date(2025, 6, 1) + timedelta(days=n + m)) for m in range(20)), OPENS)
        for n in range(HOLDS_MAX - 1)
    )
    kept = OpenHold(
        "bd.bTE.1", tuple(Lot(1, date(2025, 9, 1) + timedelta(days=m)) for m in range(20)), terms.kept_until
    )
    outbid = Account("m1", lots=lots, holds=(*holds, kept))
    change, _ = bids.give_back(outbid, Bid("bd.bTE.1", "m1", "tea", 20, OPENS), BidStatus.OUTBID, late)
    own = placed(replace(outbid, member="m2", lots=(*lots, Lot(50, None)), holds=holds), 21, sold, terms, moment=late)
    documents = 4  # the auction, two bids, the answer
    assert (0, 29) == (change.account.balance, own.change.account.balance - 21)
    assert len(change.entries) + len(own.change.entries) + 2 + documents <= POSTING_ITEMS_MAX


# What an operator writes ---------------------------------------------------------------------------------------------


def test_the_least_that_can_be_written() -> None:
    """A title and a window; one point to begin with, one a step, an end that stays where it is."""
    terms = read_auction({"title": "Cup", "from": OPENS.isoformat(), "until": CLOSES.isoformat()})
    assert AuctionTerms("Cup", terms.kind, OPENS, CLOSES) == terms
    assert ("physical", CLOSES, CLOSES + timedelta(days=30)) == (terms.kind, terms.last_end, terms.kept_until)


def test_without_a_bound_late_bids_put_the_end_off_ten_times() -> None:
    """So that an auction always has an end."""
    assert 600 == read_auction({**WRITTEN, "extend_s": 60}).extend_max_s
    assert 0 == read_auction({**WRITTEN, "extend_s": 60, "extend_max_s": 0}).extend_max_s


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(
        st.sampled_from([*WRITTEN, "extend_s", "extend_max_s", "max_points", "step_points", "x"]), _JSON
    ).map(lambda drawn: {**WRITTEN, **drawn})
    | _JSON
)
def test_whatever_is_written_is_read_or_refused_by_name(content: Any) -> None:
    """No other way out; what is read keeps its promises."""
    terms: AuctionTerms | None = None
    faults: Sequence[Fault] = ()
    try:
        terms = read_auction(content)
    except InvalidInput as refusal:
        faults = refusal.faults
    assert (terms is None) == bool(faults)
    assert all(fault.field and fault.problem for fault in faults)
    if terms is None:
        return
    assert terms.title
    assert terms.opens_at < terms.closes_at <= terms.last_end
    assert terms.start_points >= 1 <= terms.step_points


@given(st.lists(st.tuples(st.sampled_from(["m1", "m2", "m3"]), st.integers(1, 60)), max_size=30), st.booleans())
def test_bids_in_any_order_hold_only_the_highest(asked: list[tuple[str, int]], wins: bool) -> None:  # noqa: FBT001 - drawn
    """After each: one hold, of the top; all other points free; nothing made or lost. At the end it alone is spent."""
    sold, terms = auction()
    accounts = {name: rich(name, points=40) for name in ("m1", "m2", "m3")}
    known: dict[str, Bid] = {}
    for number, (name, points) in enumerate(asked):
        top = known[sold.top.bid] if sold.top else None
        own = top if top and top.member == name else None
        due = sold.top.points + 1 if sold.top else 1
        try:
            done = placed(accounts[name], points, sold, terms, own, name=f"bd.bTE.{number}")
        except BidTooLow:
            assert points < due
            continue
        except InsufficientPoints:
            assert points > 40
            continue
        assert due <= points <= 40
        accounts[name], sold, known[done.bid.id] = done.change.account, done.auction, done.bid
        if top and own is None:
            change, _ = bids.give_back(accounts[top.member], top, BidStatus.OUTBID, at())
            accounts[top.member] = change.account
        held = {one: account.held for one, account in accounts.items() if account.holds}
        assert {name: points} == held
        assert 120 == sum(account.balance for account in accounts.values())
        assert 120 - points == sum(lot_book.total(account.lots) for account in accounts.values())
    if sold.top and wins:
        top = known[sold.top.bid]
        won = bids.win(accounts[top.member], sold, terms, top, "ro.bTE.x", PROGRAM.mall, at(CLOSES), "system")
        assert won is not None
        accounts[top.member] = won.change.account
        assert 120 - top.points == sum(account.balance for account in accounts.values())
        assert not any(as_of(account, at(CLOSES)).account.held for account in accounts.values())
