"""Auctions under real threads on a real engine: one hold an auction, nothing overspent, one end, no step half done."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any, NoReturn, TypeVar

import pytest

from jifen.domain.auctions import Auction, AuctionStatus, Bid, BidStatus
from jifen.domain.errors import BidTooLow, Refusal
from jifen.domain.reward_orders import RewardOrder
from jifen.service import bidding
from jifen.service.bidding import Bidding
from jifen.service.mall_documents import AuctionKey, RewardOrderKey
from jifen.service.ports import Ledger, deadlines, of_member
from jifen.service.reading import prove_member
from jifen.service.spending import Spending
from jifen.store.dynamo import DynamoLedger
from local.engines import Engine
from tests.store.clients import deadline
from tests.store.faults import Fault, FaultyNetwork, Send, answer_lost, connection_closed_after, passes, read_times_out
from tests.store.patient import Patient
from tests.store.tables import ledger_on, new_table
from tests.store.values import NOW, PROGRAM, credited

T = TypeVar("T")
CLOSES = NOW + timedelta(hours=1)
LAST = CLOSES - timedelta(microseconds=1)
CROWD = tuple(f"b{number:02d}" for number in range(20))
WRITTEN: Mapping[str, Any] = {
    "title": "Tea set",
    "kind": "physical",
    "from": NOW.isoformat(),
    "until": CLOSES.isoformat(),
}


@pytest.fixture
def table(engine: Engine) -> str:
    """A table of its own."""
    return new_table(engine)


@pytest.fixture
def ledger(engine: Engine, table: str) -> DynamoLedger:
    """A ledger on it."""
    return ledger_on(engine, table, PROGRAM)


def desk(ledger: Ledger, key: str = "k", at: datetime = NOW, subject: str = "shop", seconds: float = 60) -> Bidding:
    """The use cases under an idempotency key, with so much time."""
    return Bidding(ledger, PROGRAM, PROGRAM.moment(at), deadline(seconds), subject, subject, key)


def opened(ledger: Ledger, *names: str, **changes: Any) -> None:
    """Auctions that are open now."""
    for name in names:
        desk(ledger).write(name, {**WRITTEN, **changes})


def rich(ledger: Ledger, *members: str, points: int = 100) -> None:
    """Members with points."""
    for member in members:
        ledger.commit(credited(member, points), Patient(0))


def at_once(calls: Sequence[Callable[[], T]], threads: int = 8) -> list[T | Refusal]:
    """What each call returned, or how it was refused."""

    def one(call: Callable[[], T]) -> T | Refusal:
        try:
            return call()
        except Refusal as refusal:
            return refusal

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(one, calls))


def outcomes(results: Sequence[object]) -> Counter[str]:
    """How many calls were done, and how many refused with which code."""
    return Counter(result.code if isinstance(result, Refusal) else "done" for result in results)


def auction_of(ledger: Ledger, name: str = "tea") -> Auction:
    """The auction as it is stored."""
    found = ledger.load([], [AuctionKey(name)]).documents[AuctionKey(name)]
    assert isinstance(found, Auction)
    return found


def bids_of(ledger: Ledger, member: str) -> list[Bid]:
    """Every bid of a member that is kept."""
    page = ledger.listed(of_member("bids", member), None, 1_000)
    assert page.cursor is None
    return [one for one in page.documents if isinstance(one, Bid)]


def held(ledger: Ledger, members: Sequence[str]) -> dict[str, dict[str, int]]:
    """What each member's holds keep, by their ids; members without one are left out."""
    accounts = ledger.load(members).accounts
    return {
        member: {hold.hold_id: hold.points for hold in account.holds}
        for member, account in accounts.items()
        if account.holds
    }


def settled(ledger: Ledger, at: datetime = CLOSES, name: str = "tea") -> Auction:
    """Settle as the worker does."""
    return bidding.settle(ledger, PROGRAM, auction_of(ledger, name), PROGRAM.moment(at), deadline(60))


def balances(ledger: Ledger, members: Sequence[str]) -> int:
    """All points of all members, each of whom can be proved."""
    assert all(prove_member(ledger, member).valid for member in members)
    return sum(account.balance for account in ledger.load(members).accounts.values())


# Many at once --------------------------------------------------------------------------------------------------------


def test_one_member_in_many_auctions_bids_no_more_than_there_is(ledger: DynamoLedger) -> None:
    """Ten bids of 30 in ten auctions at once, from 100 points: three are held, seven are told what is missing."""
    names = [f"a{number}" for number in range(10)]
    opened(ledger, *names)
    rich(ledger, "m1")

    results = at_once([lambda name=name: desk(ledger, name).bid("m1", name, 30) for name in names])  # type: ignore[misc]

    assert Counter(done=3, INSUFFICIENT_POINTS=7) == outcomes(results)
    account = ledger.load(["m1"]).accounts["m1"]
    assert (90, 3, 10) == (account.held, len(account.holds), account.available(NOW.date()))
    assert 3 == sum(auction_of(ledger, name).top is not None for name in names)
    assert 100 == balances(ledger, ["m1"])


def test_twenty_bidders_race_and_one_hold_is_left(ledger: DynamoLedger) -> None:
    """Each bids five times: what is held in the end is the highest bid, and everybody else has all points free."""
    opened(ledger, "tea")
    rich(ledger, *CROWD)
    rng = random.Random(7)
    asked = [(member, rng.randint(1, 100), f"{member}-{turn}") for turn in range(5) for member in CROWD]
    asked.sort(key=lambda one: one[1] // 10)

    def bid(member: str, points: int, key: str) -> Mapping[str, Any]:
        return desk(ledger, key, seconds=120).bid(member, "tea", points)

    results = at_once([lambda one=one: bid(*one) for one in asked], threads=20)  # type: ignore[misc]

    tea = auction_of(ledger)
    assert tea.top is not None
    told = outcomes(results)
    assert {"done", "BID_TOO_LOW"} == set(told)
    assert (told["done"], max(points for _, points, _ in asked)) == (tea.bids, tea.top.points)
    assert all(result.facts()["bid"] < result.facts()["least"] for result in results if isinstance(result, BidTooLow))  # type: ignore[operator]
    assert {tea.top.member: {tea.top.bid: tea.top.points}} == held(ledger, CROWD)
    assert 2_000 == balances(ledger, CROWD)
    kept = [bid for member in CROWD for bid in bids_of(ledger, member)]
    assert (tea.bids, 1) == (len(kept), sum(bid.status is BidStatus.TOP for bid in kept))

    assert AuctionStatus.SOLD is settled(ledger).status
    assert (2_000 - tea.top.points, {}) == (balances(ledger, CROWD), held(ledger, CROWD))


def test_one_request_from_many_clients_is_one_bid(ledger: DynamoLedger) -> None:
    """Ten times under one key at once: ten equal answers, one bid."""
    opened(ledger, "tea")
    rich(ledger, "m1")

    results = at_once([lambda: desk(ledger).bid("m1", "tea", 60)] * 10)

    assert Counter(done=10) == outcomes(results)
    assert all(result == results[0] for result in results)
    assert (1, 1) == (auction_of(ledger).bids, len(bids_of(ledger, "m1")))
    assert 60 == ledger.load(["m1"]).accounts["m1"].held
    assert 100 == balances(ledger, ["m1"])


def test_a_bidder_spends_bids_and_is_outbid_at_once(ledger: DynamoLedger) -> None:
    """Two raise each other while both spend elsewhere: nobody spends a held point, none is lost."""
    opened(ledger, "tea")
    rich(ledger, "m1", "m2")

    def spend(member: str, key: str) -> Mapping[str, Any]:
        return Spending(ledger, PROGRAM, PROGRAM.moment(NOW), deadline(60), key, "shop").redeem(member, 7)

    calls: list[Callable[[], Mapping[str, Any]]] = []
    for number in range(1, 15):
        member = f"m{number % 2 + 1}"
        calls += [
            lambda n=number, who=member: desk(ledger, f"b{n}").bid(who, "tea", 5 * n),  # type: ignore[misc]
            lambda n=number, who=member: spend(who, f"s{n}"),  # type: ignore[misc]
        ]
    results = at_once(calls)

    assert {"done", "BID_TOO_LOW", "INSUFFICIENT_POINTS"} >= set(outcomes(results))
    spent = sum(7 for result in results if isinstance(result, dict) and "redemption_id" in result)
    tea = auction_of(ledger)
    assert tea.top is not None
    assert {tea.top.member: {tea.top.bid: tea.top.points}} == held(ledger, ["m1", "m2"])
    assert 200 - spent == balances(ledger, ["m1", "m2"])


def test_ends_at_once_are_one_end(ledger: DynamoLedger) -> None:
    """Eight workers and requests settle one auction: one reward order, spent once."""
    opened(ledger, "tea")
    rich(ledger, "m1")
    desk(ledger).bid("m1", "tea", 60)

    calls: list[Callable[[], object]] = [lambda: settled(ledger)] * 4
    calls += [lambda n=n: desk(ledger, f"s{n}", CLOSES).settle("tea") for n in range(4)]  # type: ignore[misc]
    results = at_once(calls)

    assert Counter(done=8) == outcomes(results)
    orders = ledger.listed(of_member("reward orders", "m1"), None, 10).documents
    assert [auction_of(ledger).order] == [one.id for one in orders if isinstance(one, RewardOrder)]
    assert 40 == balances(ledger, ["m1"])


@pytest.mark.parametrize("ending", ["settle", "cancel"])
def test_an_end_against_bids_in_the_last_instant(ledger: DynamoLedger, ending: str) -> None:
    """Whoever is later is told that it is over; whoever was in time has won, or has all points back."""
    opened(ledger, "tea")
    rich(ledger, *CROWD)

    def end() -> object:
        return settled(ledger) if ending == "settle" else desk(ledger, "end", LAST, "op").cancel("tea", "")

    calls: list[Callable[[], object]] = [
        lambda n=n, who=who: desk(ledger, who, LAST).bid(who, "tea", 5 + n)  # type: ignore[misc]
        for n, who in enumerate(CROWD)
    ]
    calls.insert(8, end)
    results = at_once(calls)

    tea = auction_of(ledger)
    assert {"done", "BID_TOO_LOW", "NOT_OPEN"} >= set(outcomes(results))
    assert sum(isinstance(result, dict) and "bid_id" in result for result in results) == tea.bids
    assert {} == held(ledger, CROWD)
    won = tea.top.points if tea.top and tea.status is AuctionStatus.SOLD else 0
    assert 2_000 - won == balances(ledger, CROWD)
    assert ("CANCELED" if ending == "cancel" else "SOLD" if tea.top else "UNSOLD") == str(tea.status)


def test_deadlines_name_what_is_over(ledger: DynamoLedger) -> None:
    """Those that are to be settled, the most overdue first; settled, they are gone."""
    opened(ledger, "tea")
    opened(ledger, "urn", until=(CLOSES - timedelta(minutes=1)).isoformat())
    opened(ledger, "vase", until=(CLOSES + timedelta(microseconds=1)).isoformat())
    found = ledger.listed(deadlines(CLOSES), None, 10).documents
    assert ["urn", "tea"] == [one.id for one in found if isinstance(one, Auction)]
    assert {AuctionStatus.UNSOLD} == {settled(ledger, name=name).status for name in ("urn", "tea")}
    assert () == ledger.listed(deadlines(CLOSES), None, 10).documents


# A network that misbehaves -------------------------------------------------------------------------------------------


class Died(BaseException):
    """The process is gone."""


def dies_before(_request: Any, _send: Send) -> NoReturn:
    """Before anything reached the engine."""
    raise Died


def dies_after(_request: Any, send: Send) -> NoReturn:
    """The engine has done it; nobody is there to hear of it."""
    send()
    raise Died


Step = Callable[[Ledger], object]
STEPS: Mapping[str, tuple[Step, int]] = {
    "bid": (lambda ledger: desk(ledger, "x").bid("m1", "tea", 10), 0),
    "bid over another's": (lambda ledger: desk(ledger, "x").bid("m2", "tea", 50), 1),
    "raise": (lambda ledger: desk(ledger, "x").bid("m1", "tea", 50), 1),
    "settle": (lambda ledger: desk(ledger, "x", CLOSES).settle("tea"), 1),
    "cancel": (lambda ledger: desk(ledger, "x").cancel("tea", "why"), 1),
    "worker": (settled, 1),
}
"""Each step, and how many bids there are before it."""


def state(ledger: Ledger) -> tuple[Any, ...]:
    """All that is to be seen of the auction and of both members."""
    tea = auction_of(ledger)
    order = ledger.load([], [RewardOrderKey(tea.top.member, tea.order)]).documents if tea.order and tea.top else {}
    accounts = ledger.load(["m1", "m2"]).accounts
    bids = sorted((one for member in ("m1", "m2") for one in bids_of(ledger, member)), key=lambda one: one.points)
    entries = [list(ledger.history(member)) for member in ("m1", "m2")]
    return tea, order, accounts, bids, entries


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize(
    "faults",
    [
        (answer_lost,),
        (read_times_out, connection_closed_after),
        (dies_before,),
        (dies_after,),
    ],
    ids=lambda faults: "-".join(fault.__name__ for fault in faults),
)
def test_whatever_becomes_of_a_step_it_is_done_once(engine: Engine, step: str, faults: tuple[Fault, ...]) -> None:
    """Lost answers are asked for again; after a crash the same request finishes or finds it. As if nothing had been."""
    act, bids_before = STEPS[step]
    reached = []
    for script in ((passes,), faults):
        ledger = ledger_on(engine, new_table(engine), PROGRAM)
        opened(ledger, "tea")
        rich(ledger, "m1", "m2")
        if bids_before:
            desk(ledger, "before").bid("m1", "tea", 10)
        network = FaultyNetwork(ledger)
        network.next("TransactWriteItems", *script)
        try:
            first = act(ledger)
        except Died:
            first = None
        network.heal()
        again = act(ledger)
        assert first is None or first == again
        reached.append((again, state(ledger)))
        balances(ledger, ["m1", "m2"])
    assert reached[0] == reached[1]
