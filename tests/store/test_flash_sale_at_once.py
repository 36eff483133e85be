"""Flash sales and vouchers under real threads on a real engine: one a member, none too early, points for money once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any, TypeVar

import pytest

from jifen.domain.errors import Refusal
from jifen.domain.exchanges import Wanted
from jifen.domain.money import Money
from jifen.domain.program import Moment
from jifen.service.ports import Ledger
from jifen.service.reading import prove_member
from jifen.store.dynamo import DynamoLedger
from local.engines import Engine
from tests.service.mall import PROGRAM, counts, desk, later, order_of, orders, reward, settle
from tests.service.scene import NOW, give
from tests.store.clients import deadline
from tests.store.tables import new_ledger

T = TypeVar("T")
OPENS = NOW + timedelta(hours=1)
IN_TIME, TOO_EARLY = PROGRAM.moment(OPENS), PROGRAM.moment(OPENS - timedelta(microseconds=1))
YUAN = Money(100, "CNY")


@pytest.fixture
def ledger(engine: Engine) -> DynamoLedger:
    """A ledger on a table of its own."""
    return new_ledger(engine, PROGRAM)


def flash(ledger: Ledger, reward_id: str = "cup", pieces: int = 5, points: int = 1, **more: Any) -> None:
    """A flash sale: services, so that an order is whole at once."""
    window = {"from": OPENS.isoformat(), "until": (OPENS + timedelta(minutes=10)).isoformat()}
    reward(ledger, reward_id, pieces, **{"kind": "service", "points": points, **window, **more})


def buy(ledger: Ledger, member: str, key: str, moment: Moment = IN_TIME, reward_id: str = "cup") -> Any:
    """Exchange, as the member."""
    here = desk(ledger, key, moment, actor=f"member:{member}", patience=deadline(60))
    return here.exchange(member, Wanted(reward_id))


def at_once(calls: Sequence[Callable[[], T]], threads: int = 16) -> list[T | Refusal]:
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


def balance(ledger: Ledger, member: str) -> int:
    """The points of a member who can be proved."""
    assert prove_member(ledger, member).valid
    return ledger.load([member]).accounts[member].balance


def cleaned(ledger: Ledger) -> None:
    """Let what was reserved and left run out."""
    settle(ledger, PROGRAM.moment(OPENS + timedelta(minutes=11)), patience=deadline(60))


def test_one_member_with_many_keys_gets_one(ledger: DynamoLedger) -> None:
    """Sixteen requests of one member at the opening instant, each a request of its own: one piece, one point."""
    flash(ledger, limits=[{"per": "ever", "times": 1}])
    give(ledger, "m1", 100)

    results = at_once([lambda n=n: buy(ledger, "m1", f"k{n}") for n in range(16)])  # type: ignore[misc]

    told = outcomes(results)
    assert (1, 16) == (told["done"], told.total())
    # Requests of the member's own may have reserved all pieces for the moment in which another one asks.
    assert set(told) <= {"done", "LIMIT_REACHED", "OUT_OF_STOCK"}
    cleaned(ledger)
    assert (99, (4, 0, 1), 1) == (balance(ledger, "m1"), counts(ledger), len(orders(ledger, ["m1"])))


def test_one_request_from_many_clients_is_one_order(ledger: DynamoLedger) -> None:
    """The same key sixteen times: one order, sixteen equal answers."""
    flash(ledger, limits=[{"per": "ever", "times": 1}])
    give(ledger, "m1", 100)

    results = at_once([lambda: buy(ledger, "m1", "k")] * 16)

    assert Counter(done=16) == outcomes(results)
    assert 1 == len({result["order_id"] for result in results if isinstance(result, dict)})
    cleaned(ledger)
    assert (99, (4, 0, 1)) == (balance(ledger, "m1"), counts(ledger))


def test_nobody_who_is_too_early_gets_in_among_those_in_time(ledger: DynamoLedger) -> None:
    """Twenty ask a microsecond before the opening and twenty at it, all at once: the ten pieces go to the latter."""
    flash(ledger, pieces=10)
    early, late = [f"e{n:02d}" for n in range(20)], [f"m{n:02d}" for n in range(20)]
    for member in (*early, *late):
        give(ledger, member, 1)

    calls: list[Callable[[], Any]] = []
    for first, second in zip(early, late, strict=True):
        calls += [
            lambda who=first: buy(ledger, who, "k", TOO_EARLY),  # type: ignore[misc]
            lambda who=second: buy(ledger, who, "k"),  # type: ignore[misc]
        ]
    results = at_once(calls, threads=40)

    assert Counter(NOT_OPEN=20) == outcomes(results[::2])
    assert Counter(done=10, OUT_OF_STOCK=10) == outcomes(results[1::2])
    assert {OPENS.isoformat()} == {one.facts()["opens_at"] for one in results[::2] if isinstance(one, Refusal)}
    cleaned(ledger)
    assert ((0, 0, 10), 20, 10) == (
        counts(ledger),
        sum(balance(ledger, member) for member in early),
        sum(balance(ledger, member) for member in late),
    )


def test_one_member_in_many_sales_spends_no_more_than_there_is(ledger: DynamoLedger) -> None:
    """Ten sales at 30 points at once, from 100 points: three are had, and the pieces of the other seven stay free."""
    names = [f"r{number}" for number in range(10)]
    for name in names:
        flash(ledger, name, pieces=1, points=30)
    give(ledger, "m1", 100)

    results = at_once([lambda name=name: buy(ledger, "m1", name, reward_id=name) for name in names])  # type: ignore[misc]

    assert Counter(done=3, INSUFFICIENT_POINTS=7) == outcomes(results)
    cleaned(ledger)
    assert (10, 3, 7) == (
        balance(ledger, "m1"),
        sum(counts(ledger, name)[2] for name in names),
        sum(counts(ledger, name)[0] for name in names),
    )


# Vouchers ------------------------------------------------------------------------------------------------------------


def ordered_voucher(ledger: Ledger) -> str:
    """A voucher of a hundred points for a yuan that waits for its money."""
    offer: dict[str, Any] = {"kind": "voucher", "points": 0, "cash_minor": 100, "voucher": {"points": 100}}
    reward(ledger, "voucher", 0, **offer, stock={"counted": False})
    return str(desk(ledger, "v", actor="member:m1").exchange("m1", Wanted("voucher"))["order_id"])


def paid(ledger: Ledger, order_id: str, key: str, payment: str = "p", moment: Moment | None = None) -> Any:
    """Say that its money is there."""
    here = desk(ledger, key, moment or later(), patience=deadline(60))
    return here.paid(order_id, YUAN, payment)


def test_a_payment_that_is_told_many_times_at_once_credits_once(ledger: DynamoLedger) -> None:
    """Sixteen notices of one payment under sixteen keys, and one of another: a hundred points, once."""
    order_id = ordered_voucher(ledger)
    assert 0 == balance(ledger, "m1")

    results = at_once([lambda n=n: paid(ledger, order_id, f"k{n}") for n in range(16)])  # type: ignore[misc]

    assert Counter(done=16) == outcomes(results)
    assert 100 == balance(ledger, "m1")
    assert Counter(WRONG_STATUS=1) == outcomes(at_once([lambda: paid(ledger, order_id, "other", "p2")]))
    assert 100 == balance(ledger, "m1")


def test_money_against_the_deadline(ledger: DynamoLedger) -> None:
    """In the last instant, while a worker whose clock is ahead cancels it: credited and done, or neither."""
    order_id = ordered_voucher(ledger)
    due = order_of(ledger, order_id).due
    assert due is not None
    last = PROGRAM.moment(due - timedelta(microseconds=1))
    calls: list[Callable[[], Any]] = [lambda n=n: paid(ledger, order_id, f"k{n}", moment=last) for n in range(6)]  # type: ignore[misc]
    calls[3:3] = [lambda: settle(ledger, PROGRAM.moment(due), patience=deadline(60))] * 2

    at_once(calls)

    status = str(order_of(ledger, order_id).status)
    assert (status, balance(ledger, "m1")) in {("FULFILLED", 100), ("CANCELED", 0)}


def test_money_against_a_cancellation(ledger: DynamoLedger) -> None:
    """The shop cancels while it is paid: whichever was later saw the other, and what was credited is gone again."""
    order_id = ordered_voucher(ledger)

    def cancel(number: int) -> Any:
        here = desk(ledger, f"c{number}", patience=deadline(60))
        return here.cancel(order_id, "", member=False, operator=True)

    calls: list[Callable[[], Any]] = [lambda n=n: paid(ledger, order_id, f"k{n}") for n in range(6)]  # type: ignore[misc]
    calls[3:3] = [lambda n=n: cancel(n) for n in range(2)]  # type: ignore[misc]
    at_once(calls)

    assert ("CANCELED", 0) == (str(order_of(ledger, order_id).status), balance(ledger, "m1"))
