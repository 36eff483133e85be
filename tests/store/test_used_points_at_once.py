"""Points used on an order while it changes, on a real engine: whoever is first, they are given back once.

Clients die between their steps, before a commit or after one whose answer they never got, and come again: a message
from the queue, a request from its caller, with the same key.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from functools import partial
from typing import Any

import pytest

from jifen.domain.account import Account
from jifen.domain.entries import Draft, Entry, Kind, Source
from jifen.domain.errors import HoldAlreadyResolved, OrderCancelled, Refusal
from jifen.domain.lots import LotChange, total
from jifen.domain.orders import EventType, Line, LineKind, Order, OrderEvent, Paid, Refund, RefundLine
from jifen.domain.program import Program
from jifen.domain.spending import Hold, HoldStatus, Redemption
from jifen.domain.used_points import due_back, given_back
from jifen.service.earning import earn
from jifen.service.ports import (
    DocumentKey,
    DuePage,
    EntryPage,
    HoldKey,
    Ledger,
    ListPage,
    Loaded,
    OrderKey,
    Patience,
    Posting,
    RedemptionKey,
    Shelf,
    Stale,
    Sweep,
)
from jifen.service.reading import prove_member
from jifen.service.spending import Spending
from jifen.store.dynamo import DynamoLedger
from local.engines import Engine
from tests.store.clients import deadline
from tests.store.patient import Patient
from tests.store.tables import new_ledger
from tests.store.values import LAST_DAY, MOMENT, NOW, PROGRAM, posted

POINTS = 1_000
ROUNDS = 12


class Died(Exception):
    """The process is gone: nobody catches this but the test, which starts another one."""


class Mortal:
    """A client that dies now and then before a commit or after it."""

    def __init__(self, inner: DynamoLedger, seed: int) -> None:
        self._inner, self._fate = inner, random.Random(seed)

    def load(self, members: Sequence[str], documents: Sequence[DocumentKey] = ()) -> Loaded:
        """See :class:`jifen.service.ports.Ledger`."""
        return self._inner.load(members, documents)

    def commit(self, posting: Posting, patience: Patience) -> None:
        """Commit, unless it dies before; perhaps it dies after."""
        fate = self._fate.random()
        if fate < 0.25:
            raise Died
        self._inner.commit(posting, patience)
        if fate < 0.5:
            raise Died

    def entries(self, member: str, before: int | None, limit: int) -> EntryPage:
        """See :class:`jifen.service.ports.Ledger`."""
        return self._inner.entries(member, before, limit)

    def history(self, member: str) -> Iterator[Entry]:
        """See :class:`jifen.service.ports.Ledger`."""
        return self._inner.history(member)

    def due(self, sweep: Sweep, shard: int, through: date, cursor: str | None, limit: int) -> DuePage:
        """See :class:`jifen.service.ports.Ledger`."""
        return self._inner.due(sweep, shard, through, cursor, limit)

    def due_count(self, sweep: Sweep, shard: int, through: date) -> int:
        """See :class:`jifen.service.ports.Ledger`."""
        return self._inner.due_count(sweep, shard, through)

    def stale(self, members: Sequence[str], renewed: Callable[[Account], Account]) -> Stale:
        """See :class:`jifen.service.ports.Ledger`."""
        return self._inner.stale(members, renewed)

    def listed(self, shelf: Shelf, before: str | None, limit: int) -> ListPage:
        """See :class:`jifen.service.ports.Ledger`."""
        return self._inner.listed(shelf, before, limit)

    def follow(self, program: Program) -> None:
        """See :class:`jifen.service.ports.Ledger`."""
        self._inner.follow(program)


@pytest.fixture
def ledger(engine: Engine) -> DynamoLedger:
    """A table of its own with a member who has points in two lots."""
    found = new_ledger(engine, PROGRAM)
    lots = (LotChange(POINTS // 4, LAST_DAY), LotChange(POINTS - POINTS // 4, None))
    draft = Draft(Kind.BONUS, "GOODWILL", Source("adjustment", "j1"), NOW, points=POINTS, lots=lots)
    found.commit(Posting((posted(Account("m1"), draft),)), Patient(0))
    return found


def again_and_again(ledger: DynamoLedger, seed: int, work: Callable[[Ledger], Any]) -> Any:
    """What ``work`` gives once a client has lived through it."""
    for attempt in range(200):
        try:
            return work(Mortal(ledger, seed * 1_000 + attempt))
        except Died:
            continue
    message = "nobody lives that badly"
    raise AssertionError(message)


def spending(key: str, ledger: Ledger) -> Spending:
    """The spending use cases under a key."""
    return Spending(ledger, PROGRAM, MOMENT, deadline(30), key, "shop")


def redeem(key: str, order_id: str, points: int, ledger: Ledger) -> str:
    """Spend points on an order."""
    return str(spending(key, ledger).redeem("m1", points, order_id)["redemption_id"])


def hold(key: str, order_id: str, points: int, ledger: Ledger) -> str:
    """Hold points for an order."""
    return str(spending(key, ledger).authorize("m1", points, order_id)["hold_id"])


def capture(key: str, name: str, points: int, ledger: Ledger) -> Any:
    """Spend a hold."""
    return spending(key, ledger).capture(name, points)


def tell(event: OrderEvent, ledger: Ledger) -> Any:
    """Take an event in."""
    return earn(ledger, PROGRAM, [event], MOMENT, deadline(30))


def bought(order_id: str) -> OrderEvent:
    """Tea for 100.00."""
    paid = Paid("m1", NOW, "CNY", (Line(1, "tea", 10_000),))
    return OrderEvent(EventType.PAID, f"p-{order_id}", "standard", order_id, "m1", NOW, paid=paid)


def given(order_id: str, minor: int, refund_id: str = "r1") -> OrderEvent:
    """Some of the tea given back."""
    refund = Refund(refund_id, NOW, "CNY", (RefundLine(minor, LineKind.GOODS, 1),))
    return OrderEvent(EventType.REFUNDED, f"{refund_id}-{order_id}", "standard", order_id, "m1", NOW, refund=refund)


def cancelled(order_id: str) -> OrderEvent:
    """The order is cancelled."""
    return OrderEvent(EventType.CANCELLED, f"c-{order_id}", "standard", order_id, "m1", NOW)


def together(ledger: DynamoLedger, seed: int, *works: Callable[[Ledger], Any]) -> list[Any]:
    """All at once, each as often as it takes; what they gave, or how they were refused."""
    calls = [partial(again_and_again, ledger, seed * 100 + number, work) for number, work in enumerate(works)]
    random.Random(seed).shuffle(calls)
    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(_answered, calls))


def _answered(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except Refusal as refusal:
        return refusal


def order_of(ledger: Ledger, order_id: str) -> Order:
    """An order as it is stored."""
    found = ledger.load([], [OrderKey("standard", order_id)]).documents[OrderKey("standard", order_id)]
    assert isinstance(found, Order)
    return found


def used_on(ledger: Ledger, order: Order) -> list[Redemption | Hold]:
    """What was used on an order."""
    keys = [RedemptionKey("m1", name) if name.startswith("rd") else HoldKey("m1", name) for name in order.used]
    found = ledger.load([], keys).documents
    assert len(found) == len(keys)
    return [one for one in found.values() if isinstance(one, Redemption | Hold)]


def check(ledger: Ledger, *orders: str) -> None:
    """Each document is what its order calls for, its entries say the same, and the account follows from them."""
    spent = granted = 0
    entries = list(ledger.history("m1"))
    for order in (order_of(ledger, order_id) for order_id in orders):
        for document in used_on(ledger, order):
            taken = total(document.spent)
            assert due_back(taken, given_back(order)) == document.restored
            back = [one.draft for one in entries if one.draft.kind is Kind.RESTORE]
            assert document.restored == sum(one.points for one in back if one.why[0]["redemption"] == document.id)
            open_hold = isinstance(document, Hold) and document.status is HoldStatus.AUTHORIZED
            assert not (order.cancelled and open_hold)
            spent += taken - document.restored
        granted += order.award.granted if order.award else 0
    assert POINTS + granted - spent == ledger.load(["m1"]).accounts["m1"].balance
    assert prove_member(ledger, "m1").valid


def test_a_capture_and_a_refund_at_once(ledger: DynamoLedger) -> None:
    """Whichever is first, 30 of 60 captured points are back, once; two copies of each, with deaths in between."""
    for seed in range(ROUNDS):
        order_id = f"o{seed}"
        tell(bought(order_id), ledger)
        name = hold(f"h{seed}", order_id, 80, ledger)
        captures = [partial(capture, f"c{seed}", name, 60)] * 2
        results = together(ledger, seed, *captures, *[partial(tell, given(order_id, 5_000))] * 2)

        answers = [one for one in results if isinstance(one, dict)]
        assert 2 == len(answers), results
        assert answers[0] == answers[1]
        check(ledger, *[f"o{number}" for number in range(seed + 1)])


def test_redemptions_and_a_cancellation_at_once(ledger: DynamoLedger) -> None:
    """A redemption is refused, or made and given back: never are points used on a cancelled order."""
    for seed in range(ROUNDS):
        order_id = f"o{seed}"
        asks = [partial(redeem, f"r{seed}", order_id, 70)] * 2 + [partial(redeem, f"s{seed}", order_id, 30)]
        results = together(ledger, seed, *asks, *[partial(tell, cancelled(order_id))] * 2)

        refused = [one for one in results if isinstance(one, Refusal)]
        assert all(isinstance(one, OrderCancelled) for one in refused), results
        made = {one for one in results if isinstance(one, str)}
        assert made == {*order_of(ledger, order_id).used}
        assert POINTS == ledger.load(["m1"]).accounts["m1"].available(MOMENT.today)
        check(ledger, *[f"o{number}" for number in range(seed + 1)])


def test_a_capture_and_a_cancellation_at_once(ledger: DynamoLedger) -> None:
    """Captured and given back, or voided and refused; the points are there again in either case."""
    for seed in range(ROUNDS):
        order_id = f"o{seed}"
        name = hold(f"h{seed}", order_id, 80, ledger)
        results = together(ledger, seed, partial(capture, f"c{seed}", name, 60), partial(tell, cancelled(order_id)))

        (document,) = used_on(ledger, order_of(ledger, order_id))
        assert isinstance(document, Hold)
        refused = [one for one in results if isinstance(one, Refusal)]
        assert all(isinstance(one, HoldAlreadyResolved) for one in refused), results
        assert document.status is (HoldStatus.VOIDED if refused else HoldStatus.CAPTURED)
        assert POINTS == ledger.load(["m1"]).accounts["m1"].available(MOMENT.today)
        check(ledger, *[f"o{number}" for number in range(seed + 1)])


def test_everything_at_once_on_one_order(ledger: DynamoLedger) -> None:
    """Payment, refunds in parts, redemptions, a hold and its capture, all copied: the facts say what is left."""
    for seed in range(ROUNDS // 2):
        order_id = f"o{seed}"
        name = hold(f"h{seed}", order_id, 33, ledger)
        parts = [given(order_id, minor, f"r{minor}") for minor in (1_000, 2_500, 3_001)]
        works = [
            *[partial(tell, event) for event in (bought(order_id), *parts, bought(order_id), parts[0])],
            partial(redeem, f"a{seed}", order_id, 71),
            partial(redeem, f"b{seed}", order_id, 19),
            partial(capture, f"c{seed}", name, 33),
        ]
        results = together(ledger, seed, *works)

        assert not [one for one in results if isinstance(one, Refusal)], results
        assert 3 == len(order_of(ledger, order_id).used)
        check(ledger, *[f"o{number}" for number in range(seed + 1)])
