"""Bidding as use cases: once however often asked, whoever else writes meanwhile; one end for each auction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jifen.domain.auctions import Auction, AuctionStatus, Bid, BidStatus
from jifen.domain.errors import (
    AuctionNotFound,
    BidTooLow,
    Busy,
    IdempotencyKeyReused,
    InsufficientPoints,
    NotOpen,
    Refusal,
    WrongStatus,
)
from jifen.domain.reward_orders import RewardOrder
from jifen.service import bidding
from jifen.service.bidding import Bidding, Viewer, masked
from jifen.service.expiring import expire
from jifen.service.mall_documents import AuctionKey, BidKey
from jifen.service.ports import AnsweredKey, DocumentKey, Ledger, Loaded, deadlines
from jifen.service.reading import prove_member
from jifen.service.spending import Spending
from tests.service.ledgers import Contended, Forgetful, Raced, Torn
from tests.service.scene import NOW, PROGRAM, account_of, give
from tests.store.memory_ledger import MemoryLedger
from tests.store.patient import Patient

CLOSES = NOW + timedelta(hours=1)
WRITTEN: Mapping[str, Any] = {
    "title": "Tea set",
    "kind": "physical",
    "from": NOW.isoformat(),
    "until": CLOSES.isoformat(),
}
MEMBERS = ("m1", "m2", "m3")


def desk(
    ledger: Ledger, key: str = "k", at: datetime = NOW, actor: str = "shop:s", patience: Patient | None = None
) -> Bidding:
    """The use cases under an idempotency key."""
    return Bidding(ledger, PROGRAM, PROGRAM.moment(at), patience or Patient(), actor, actor, key)


def opened(ledger: Ledger, name: str = "tea", **changes: Any) -> None:
    """An auction that opens now, and members with a hundred points each."""
    desk(ledger).write(name, {**WRITTEN, **changes})
    for member in MEMBERS:
        if not account_of(ledger, member).version:
            give(ledger, member, 100)


def auction_of(ledger: Ledger, name: str = "tea") -> Auction:
    """The auction as it is stored."""
    found = ledger.load([], [AuctionKey(name)]).documents[AuctionKey(name)]
    assert isinstance(found, Auction)
    return found


def bids_in(ledger: MemoryLedger) -> list[tuple[str, int, BidStatus]]:
    """Every bid that is kept, in the order in which they were placed."""
    found = [one for one in ledger._documents.values() if isinstance(one, Bid)]
    return [(one.member, one.points, one.status) for one in sorted(found, key=lambda bid: bid.points)]


def orders_in(ledger: MemoryLedger) -> list[RewardOrder]:
    """Every reward order that is kept."""
    return [one for one in ledger._documents.values() if isinstance(one, RewardOrder)]


def settled(ledger: Ledger, at: datetime = CLOSES, name: str = "tea") -> Auction:
    """Settle as the worker does."""
    return bidding.settle(ledger, PROGRAM, auction_of(ledger, name), PROGRAM.moment(at), Patient())


def agrees(ledger: MemoryLedger, names: tuple[str, ...] = ("tea",)) -> bool:
    """Every account can be proved, and each holds what its highest bids are, no more and no less."""
    tops = [one.top for name in names if (one := auction_of(ledger, name)).status is AuctionStatus.OPEN and one.top]
    due = {member: {top.bid: top.points for top in tops if top.member == member} for member in MEMBERS}
    held = {member: {one.hold_id: one.points for one in account_of(ledger, member).holds} for member in MEMBERS}
    return due == held and all(prove_member(ledger, member).valid for member in MEMBERS)


# Once ----------------------------------------------------------------------------------------------------------------


def test_a_bid_is_two_reads_and_one_transaction(ledger: MemoryLedger) -> None:
    """The first bid reads no highest one; a bid over another's reads that as well."""
    opened(ledger)
    ledger.loads = ledger.commits = 0
    desk(ledger, "a").bid("m1", "tea", 10)
    assert (1, 1) == (ledger.loads, ledger.commits)
    desk(ledger, "b").bid("m2", "tea", 20)
    assert (3, 2) == (ledger.loads, ledger.commits)


@pytest.mark.parametrize("lost", [1, 2])
def test_a_bid_whose_answer_is_lost_is_placed_once(ledger: MemoryLedger, lost: int) -> None:
    """The retry finds the stored answer, though its own points are held and the bid would be too low now."""
    opened(ledger)
    desk(ledger, "b").bid("m2", "tea", 20)
    answer = desk(Forgetful(ledger, lost)).bid("m1", "tea", 100)
    assert ("TOP", 100) == (answer["status"], answer["points"])
    assert [("m2", 20, BidStatus.OUTBID), ("m1", 100, BidStatus.TOP)] == bids_in(ledger)
    assert agrees(ledger)


def test_one_key_is_one_request(ledger: MemoryLedger) -> None:
    """For another auction, other points or another member it is refused."""
    opened(ledger)
    desk(ledger).bid("m1", "tea", 10)
    for member, points in (("m1", 11), ("m2", 10)):
        with pytest.raises(IdempotencyKeyReused):
            desk(ledger).bid(member, "tea", points)
    with pytest.raises(IdempotencyKeyReused):
        desk(ledger).cancel("tea", "")
    assert agrees(ledger)


def test_a_password_is_no_part_of_the_request(ledger: MemoryLedger) -> None:
    """Whoever sends it again with the password fixed gets the answer; nothing of it is kept."""
    opened(ledger)
    first = desk(ledger).bid("m1", "tea", 10, "secret one")
    assert first == desk(ledger).bid("m1", "tea", 10, "another")
    assert "secret" not in repr(ledger._documents)


# Others at the same time ---------------------------------------------------------------------------------------------


def test_two_bids_at_once_are_one_after_the_other(ledger: MemoryLedger) -> None:
    """Whoever commits second is judged again on what the first has left."""
    opened(ledger)
    raced = Raced(ledger, lambda inner: desk(inner, "other").bid("m2", "tea", 15))
    with pytest.raises(BidTooLow):
        desk(raced).bid("m1", "tea", 10)
    raced = Raced(ledger, lambda inner: desk(inner, "third").bid("m3", "tea", 20))
    desk(raced, "k2").bid("m1", "tea", 30)
    assert [
        ("m2", 15, BidStatus.OUTBID),
        ("m3", 20, BidStatus.OUTBID),
        ("m1", 30, BidStatus.TOP),
    ] == bids_in(ledger)
    assert agrees(ledger)


def test_the_outbid_account_may_move_meanwhile(ledger: MemoryLedger) -> None:
    """It is read again; what it did in between stands."""
    opened(ledger)
    desk(ledger, "a").bid("m2", "tea", 20)

    def spend(inner: Ledger) -> None:
        Spending(inner, PROGRAM, PROGRAM.moment(NOW), Patient(), "r", "shop").redeem("m2", 70)

    desk(Raced(ledger, spend), "b").bid("m1", "tea", 30)
    assert (0, 30) == (account_of(ledger, "m2").held, account_of(ledger, "m2").balance)
    assert agrees(ledger)


def test_a_bidder_who_spends_meanwhile_is_refused(ledger: MemoryLedger) -> None:
    """And the one on top keeps the place."""
    opened(ledger)
    desk(ledger, "a").bid("m2", "tea", 20)

    def spend(inner: Ledger) -> None:
        Spending(inner, PROGRAM, PROGRAM.moment(NOW), Patient(), "r", "shop").redeem("m1", 71)

    with pytest.raises(InsufficientPoints):
        desk(Raced(ledger, spend), "b").bid("m1", "tea", 30)
    assert [("m2", 20, BidStatus.TOP)] == bids_in(ledger)
    assert agrees(ledger)


@pytest.mark.parametrize("account_first", [True, False])
def test_a_refusal_rests_on_one_state(ledger: MemoryLedger, *, account_first: bool) -> None:
    """Outbid between the two halves of the read: the points are free, and nobody is refused for lack of them."""
    opened(ledger)
    desk(ledger, "a").bid("m1", "tea", 60)
    torn = Torn(ledger, lambda inner: desk(inner, "b").bid("m2", "tea", 70), account_first=account_first)
    assert "TOP" == desk(torn, "c").bid("m1", "tea", 90)["status"]
    assert agrees(ledger)


def test_the_end_comes_before_a_bid_that_was_decided_in_time(ledger: MemoryLedger) -> None:
    """Settled in between, it is over: the bid is refused and holds nothing."""
    opened(ledger)
    desk(ledger, "a").bid("m2", "tea", 20)
    with pytest.raises(NotOpen):
        desk(Raced(ledger, settled), "b", CLOSES - timedelta(microseconds=1)).bid("m1", "tea", 30)
    assert (AuctionStatus.SOLD, 100, 80) == (
        auction_of(ledger).status,
        account_of(ledger, "m1").balance,
        account_of(ledger, "m2").balance,
    )
    assert agrees(ledger)


def test_a_late_bid_comes_before_the_end(ledger: MemoryLedger) -> None:
    """Whoever settles finds the new highest bid, or that the end was put off."""
    opened(ledger)
    desk(ledger, "a").bid("m2", "tea", 20)
    last = CLOSES - timedelta(microseconds=1)
    done = settled(Raced(ledger, lambda inner: desk(inner, "b", last).bid("m1", "tea", 30)))
    assert (AuctionStatus.SOLD, "m1") == (done.status, done.top and done.top.member)

    opened(ledger, "urn", extend_s=60)
    desk(ledger, "c").bid("m2", "urn", 20)
    done = settled(Raced(ledger, lambda inner: desk(inner, "d", last).bid("m3", "urn", 30)), name="urn")
    assert (AuctionStatus.OPEN, last + timedelta(seconds=60)) == (done.status, done.closes_at)
    assert agrees(ledger, ("tea", "urn"))


def test_a_cancellation_and_a_bid_at_once(ledger: MemoryLedger) -> None:
    """Canceled first, the bid is refused; bid first, its points come back with the cancellation."""
    opened(ledger)
    with pytest.raises(NotOpen):
        desk(Raced(ledger, lambda inner: desk(inner, "c", actor="operator:o").cancel("tea", ""))).bid("m1", "tea", 10)
    opened(ledger, "urn")
    raced = Raced(ledger, lambda inner: desk(inner, "a").bid("m1", "urn", 10))
    desk(raced, "d", actor="operator:o").cancel("urn", "")
    assert [("m1", 10, BidStatus.RELEASED)] == bids_in(ledger)
    assert agrees(ledger, ("tea", "urn"))


def test_writing_and_the_first_bid_at_once(ledger: MemoryLedger) -> None:
    """A bid counts for the auction that it was decided on, or is decided again."""
    desk(ledger).write("tea", WRITTEN)
    give(ledger, "m1", 100)
    early = NOW - timedelta(seconds=1)
    raced = Raced(ledger, lambda inner: desk(inner, at=early).write("tea", {**WRITTEN, "start_points": 50}))
    with pytest.raises(BidTooLow):
        desk(raced).bid("m1", "tea", 10)
    raced = Raced(ledger, lambda inner: desk(inner, "b").bid("m1", "tea", 60))
    with pytest.raises(WrongStatus):
        desk(raced, at=early).write("tea", WRITTEN)


def test_who_cannot_wait_any_more_is_told(ledger: MemoryLedger) -> None:
    """An outbid account that is always being written makes the bid Busy; nothing of it stays."""
    opened(ledger)
    desk(ledger, "a").bid("m2", "tea", 20)
    with pytest.raises(Busy):
        desk(Contended(ledger, "m2"), "b").bid("m1", "tea", 30)
    assert [("m2", 20, BidStatus.TOP)] == bids_in(ledger)
    assert agrees(ledger)


class Half(MemoryLedger):
    """Shows what is being written item by item: the first so many reads do not find some kinds of documents yet."""

    def __init__(self, hidden: type, reads: int = 1) -> None:
        super().__init__(PROGRAM)
        self.hidden, self.reads = hidden, 0
        self.hide = reads

    def load(self, members: Sequence[str], documents: Sequence[DocumentKey] = ()) -> Loaded:
        """Load, without what is not there yet."""
        found = super().load(members, documents)
        asked = any(isinstance(key, self.hidden) for key in documents)
        if not asked or not self.reads:
            return found
        self.reads -= 1
        return Loaded(found.accounts, {k: one for k, one in found.documents.items() if not isinstance(k, self.hidden)})

    def begin(self) -> None:
        """From now on."""
        self.reads = self.hide


@pytest.mark.parametrize("what", ["bid", "raise", "settle", "cancel", "worker"])
def test_a_bid_that_is_just_being_written_is_waited_for(what: str) -> None:
    """The auction names it, it is not there yet: looked at again, and not taken for a fault."""
    ledger = Half(BidKey)
    opened(ledger)
    desk(ledger, "a").bid("m1", "tea", 40)
    ledger.begin()
    match what:
        case "bid":
            desk(ledger).bid("m2", "tea", 50)
        case "raise":
            desk(ledger).bid("m1", "tea", 50)
        case "settle":
            assert "SOLD" == desk(ledger, at=CLOSES).settle("tea")["status"]
        case "cancel":
            desk(ledger).cancel("tea", "")
        case _:
            assert AuctionStatus.SOLD is settled(ledger).status
    assert 0 == ledger.reads
    assert agrees(ledger)


def test_a_retry_beside_its_own_first_attempt_is_not_told_that_it_bids_too_little() -> None:
    """The auction shows the bid already, its answer is not there yet: the answer is waited for."""
    ledger = Half(AnsweredKey, reads=3)
    opened(ledger)
    first = desk(ledger).bid("m1", "tea", 40)
    ledger.begin()
    assert first == desk(ledger).bid("m1", "tea", 40)
    assert (0, 1) == (ledger.reads, auction_of(ledger).bids)


# The end -------------------------------------------------------------------------------------------------------------


def test_an_auction_is_due_at_its_end_and_then_no_more(ledger: MemoryLedger) -> None:
    """The worker finds it there; put off, it is found later."""
    opened(ledger, extend_s=60)
    desk(ledger, "a", CLOSES - timedelta(seconds=1)).bid("m1", "tea", 10)
    later = CLOSES + timedelta(seconds=59)
    assert () == ledger.listed(deadlines(later - timedelta(seconds=1)), None, 10).documents
    (due,) = ledger.listed(deadlines(later), None, 10).documents
    assert isinstance(due, Auction)
    assert AuctionStatus.SOLD is bidding.settle(ledger, PROGRAM, due, PROGRAM.moment(later), Patient()).status
    assert () == ledger.listed(deadlines(later), None, 10).documents


@pytest.mark.parametrize("lost", [0, 1, 2])
def test_an_end_whose_answer_is_lost_is_one_end(ledger: MemoryLedger, lost: int) -> None:
    """One redeem entry, one reward order; the sum of the points is less by them and no more."""
    opened(ledger)
    desk(ledger, "a").bid("m1", "tea", 40)
    before = sum(account_of(ledger, member).balance for member in MEMBERS)
    first = settled(Forgetful(ledger, lost))
    assert first == settled(ledger) == auction_of(ledger)
    (order,) = orders_in(ledger)
    assert (order.id, 40, "m1", ("auction", "tea")) == (first.order, order.points, order.member, order.source)
    assert before - 40 == sum(account_of(ledger, member).balance for member in MEMBERS)
    assert agrees(ledger)


def test_one_member_wins_more_than_one_auction(ledger: MemoryLedger) -> None:
    """Each has an order of its own."""
    for name in ("tea", "urn"):
        opened(ledger, name)
        desk(ledger, name).bid("m1", name, 40)
    won = [settled(ledger, name=name) for name in ("tea", "urn")]
    assert {("tea", won[0].order), ("urn", won[1].order)} == {(one.reward, one.id) for one in orders_in(ledger)}
    assert 20 == account_of(ledger, "m1").balance
    assert agrees(ledger, ("tea", "urn"))


def test_two_ends_at_once_are_one(ledger: MemoryLedger) -> None:
    """The worker and a request: the later one finds it done."""
    opened(ledger)
    desk(ledger, "a").bid("m1", "tea", 40)
    answer = desk(Raced(ledger, settled), "s", CLOSES).settle("tea")
    assert ("SOLD", 1, 60) == (answer["status"], len(orders_in(ledger)), account_of(ledger, "m1").balance)
    assert answer == desk(ledger, "s", CLOSES).settle("tea")
    assert agrees(ledger)


def test_an_end_too_early_changes_nothing(ledger: MemoryLedger) -> None:
    """A worker whose list is old leaves it as it is; a canceled one too."""
    opened(ledger)
    desk(ledger, "a").bid("m1", "tea", 40)
    before = auction_of(ledger)
    assert before == settled(ledger, CLOSES - timedelta(microseconds=1))
    desk(ledger, "c").cancel("tea", "")
    assert AuctionStatus.CANCELED is settled(ledger).status
    assert [] == orders_in(ledger)
    assert agrees(ledger)


def test_the_winner_may_move_meanwhile(ledger: MemoryLedger) -> None:
    """The end is decided again on the account as it is now."""
    opened(ledger)
    desk(ledger, "a").bid("m1", "tea", 40)

    def spend(inner: Ledger) -> None:
        Spending(inner, PROGRAM, PROGRAM.moment(NOW), Patient(), "r", "shop").redeem("m1", 60)

    assert AuctionStatus.SOLD is settled(Raced(ledger, spend)).status
    assert 0 == account_of(ledger, "m1").balance
    assert agrees(ledger)


def test_nobody_is_there(ledger: MemoryLedger) -> None:
    """Whatever is asked of it."""
    calls: list[Callable[[], object]] = [
        lambda: desk(ledger).bid("m1", "nothing", 1),
        lambda: desk(ledger).settle("nothing"),
        lambda: desk(ledger).cancel("nothing", ""),
        lambda: desk(ledger).view("nothing", Viewer()),
    ]
    for call in calls:
        with pytest.raises(AuctionNotFound):
            call()


@pytest.mark.parametrize(
    ("member", "shown"), [("alice", "a***"), ("13800138000", "1***"), ("会员一", "会***"), ("ab", "***"), ("a", "***")]
)
def test_an_id_is_masked(member: str, shown: str) -> None:
    """Its first character is told where it is less than half of it."""
    assert shown == masked(member)


# Anything in any order -----------------------------------------------------------------------------------------------

_ACTIONS = st.one_of(
    st.tuples(st.just("bid"), st.sampled_from(MEMBERS), st.sampled_from(["tea", "urn"]), st.integers(1, 110)),
    st.tuples(st.just("spend"), st.sampled_from(MEMBERS), st.just(""), st.integers(1, 60)),
    st.tuples(st.sampled_from(["settle", "cancel"]), st.just(""), st.sampled_from(["tea", "urn"]), st.just(0)),
    st.tuples(st.just("wait"), st.just(""), st.just(""), st.integers(1, 1_800)),
    st.tuples(st.just("sweep"), st.sampled_from(MEMBERS), st.just(""), st.just(0)),
)


@settings(max_examples=150)
@given(st.lists(_ACTIONS, max_size=30), st.booleans())
def test_no_order_of_events_makes_or_loses_points(actions: list[tuple[str, str, str, int]], forgets: bool) -> None:  # noqa: FBT001 - drawn
    """Bids, ends, cancellations, other spending and time: held is what the highest bids are, spent is what was won."""
    ledger = MemoryLedger(PROGRAM)
    for name in ("tea", "urn"):
        opened(ledger, name, extend_s=300, extend_max_s=900)
    now, spent = NOW, 0
    for number, (what, member, name, amount) in enumerate(actions):
        here: Ledger = Forgetful(ledger) if forgets and number % 3 == 0 else ledger
        at_desk = desk(here, f"k{number}", now)
        try:
            match what:
                case "bid":
                    at_desk.bid(member, name, amount)
                case "spend":
                    Spending(here, PROGRAM, PROGRAM.moment(now), Patient(), f"k{number}", "s").redeem(member, amount)
                    spent += amount
                case "settle":
                    at_desk.settle(name)
                case "cancel":
                    at_desk.cancel(name, "")
                case "wait":
                    now += timedelta(seconds=amount)
                case _:
                    expire(ledger, member, PROGRAM.moment(now), Patient())
        except Refusal as refusal:
            assert not isinstance(refusal, Busy), refusal  # noqa: PT017 - any other is an answer
        sold = [one for name in ("tea", "urn") if (one := auction_of(ledger, name)).status is AuctionStatus.SOLD]
        won = sum(one.top.points for one in sold if one.top)
        assert 300 - spent - won == sum(account_of(ledger, one).balance for one in MEMBERS)
        assert {one.order for one in sold} == {one.id for one in orders_in(ledger)}
        assert agrees(ledger, ("tea", "urn"))
