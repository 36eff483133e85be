"""Many buyers at once for few pieces, on a real engine: what was told is true, and everything agrees.

    free + reserved + sold = stocked        sold = pieces of orders that live        points = before - price x orders

The same with processes that end between the steps, and with answers that are lost; then the deadlines make it good.
"""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from jifen.domain.errors import Refusal
from jifen.domain.exchanges import Wanted
from jifen.service.exchanging import Exchanging
from jifen.service.ports import Ledger, Loaded, Patience, Posting
from jifen.service.reading import prove_member
from jifen.store.dynamo import DynamoLedger
from local.engines import Engine
from tests.service.mall import LIVE, MOMENT, PROGRAM, counts, orders, reward, settle, shards_of
from tests.service.scene import NOW, give
from tests.store.clients import deadline
from tests.store.faults import FaultyNetwork, answer_lost, passes
from tests.store.tables import ledger_on, new_table

BUYERS, PIECES, PRICE = 200, 50, 100
MEMBERS = [f"m{number:03d}" for number in range(BUYERS)]
FEW, FEW_PIECES = MEMBERS[:80], 20
"""As many as it takes where processes end, answers are lost, or everybody cancels."""


class Died(Exception):
    """The process ended."""


BOUNDARIES = ("before reserving", "reserved", "before posting", "posted", "before confirming", "confirmed")
"""Where a process can end: each write of an exchange, before and after it."""


class Mortal:
    """The ledger of a process that ends at a boundary, the first time it gets there; None: it lives."""

    def __init__(self, inner: Ledger, boundary: str | None) -> None:
        self.inner, self._boundary = inner, boundary
        self._posted = False

    def commit(self, posting: Posting, patience: Patience) -> None:
        """Commit, or end before it or after it."""
        before, after = BOUNDARIES[2:4] if posting.accounts else BOUNDARIES[4:] if self._posted else BOUNDARIES[:2]
        if self._boundary == before:
            raise Died
        self.inner.commit(posting, patience)
        self._posted = self._posted or bool(posting.accounts)
        if self._boundary == after:
            raise Died

    def load(self, members: Sequence[str], documents: Sequence[Any] = ()) -> Loaded:
        """See :class:`jifen.service.ports.Ledger`."""
        return self.inner.load(members, documents)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


def shop_with(
    engine: Engine, shards: int, members: Sequence[str] = FEW, pieces: int = FEW_PIECES
) -> tuple[DynamoLedger, str]:
    """A table with the reward, and members who can pay for one piece each."""
    table = new_table(engine)
    ledger = ledger_on(engine, table, PROGRAM)
    reward(ledger, pieces=pieces, shards=shards)
    fund(ledger, members)
    return ledger, table


def fund(ledger: DynamoLedger, members: Sequence[str]) -> None:
    """Give each member the price of one piece."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda member: give(ledger, member, PRICE), members))


def bought(ledger: Ledger, member: str, key: str = "k") -> str:
    """What a buyer is told."""
    here = Exchanging(ledger, PROGRAM, MOMENT, deadline(60), member, f"member:{member}", key)
    try:
        here.exchange(member, Wanted("cup"))
    except Refusal as refusal:
        return refusal.code
    except Died:
        return "died"
    return "done"


def all_at_once(call: Callable[[str], str], members: Sequence[str] = FEW) -> Counter[str]:
    """What all buyers are told, each in a thread of its own."""
    with ThreadPoolExecutor(len(members)) as pool:
        return Counter(pool.map(call, members))


def agree(ledger: Ledger, shards: int, members: Sequence[str] = FEW, pieces: int = FEW_PIECES) -> tuple[int, int, int]:
    """Pieces free, reserved, sold; the test fails where pieces, orders and points do not agree."""
    free, reserved, sold = counts(ledger, shards=shards)
    live = [one for one in orders(ledger, members) if one.status in LIVE]
    accounts = ledger.load(members).accounts
    with_order = {one.member for one in live}
    assert pieces == free + reserved + sold == sum(one.stocked for one in shards_of(ledger, shards=shards))
    assert sold == sum(one.quantity for one in live) == len(with_order)
    assert {member: PRICE * (member not in with_order) for member in members} == {
        member: account.balance for member, account in accounts.items()
    }
    assert all(prove_member(ledger, member).valid for member in members)
    return free, reserved, sold


@pytest.mark.parametrize("shards", [1, 4])
def test_two_hundred_buyers_for_fifty_pieces(engine: Engine, shards: int) -> None:
    """Fifty have one each, a hundred and fifty are told that it is out of stock, nobody that it is busy."""
    ledger, _ = shop_with(engine, shards, MEMBERS, PIECES)

    told = all_at_once(lambda member: bought(ledger, member), MEMBERS)

    assert Counter(done=50, OUT_OF_STOCK=150) == told
    settle(ledger, PROGRAM.moment(NOW + timedelta(minutes=11)), patience=deadline(60))
    assert (0, 0, 50) == agree(ledger, shards, MEMBERS, PIECES)


@pytest.mark.parametrize(("shards", "boundaries"), [(1, BOUNDARIES), (4, BOUNDARIES)])
def test_buyers_whose_processes_end(engine: Engine, shards: int, boundaries: Sequence[str]) -> None:
    """Two of three end at a write, before or after it; half of the buyers then ask again. Everything agrees."""
    ledger, _ = shop_with(engine, shards)

    def one(member: str) -> str:
        rng = random.Random(f"{boundaries}-{member}")
        told = bought(Mortal(ledger, rng.choice([*boundaries] * 2 + [None] * len(boundaries))), member)
        return bought(ledger, member) if told == "died" and rng.random() < 0.5 else told

    told = all_at_once(one)
    assert {"done", "died"} <= set(told) <= {"done", "died", "OUT_OF_STOCK"}
    # The patience of buyers is a minute of the real clock; the program's clock stands still until here.
    settle(ledger, PROGRAM.moment(NOW + timedelta(minutes=11)), patience=deadline(60))

    free, reserved, sold = agree(ledger, shards)
    assert (0, FEW_PIECES) == (reserved, free + sold)
    assert sold >= told["done"]


@pytest.mark.parametrize("shards", [1])
def test_buyers_whose_answers_are_lost(engine: Engine, shards: int) -> None:
    """Every fourth write is done without an answer: twenty are sold, the others told so, and everything agrees."""
    ledger, table = shop_with(engine, shards)
    faulty = ledger_on(engine, table, PROGRAM)
    count = itertools.count(1)

    def fault(request: Any, send: Callable[[], Any]) -> Any:
        return (passes if next(count) % 4 else answer_lost)(request, send)

    FaultyNetwork(faulty).always("TransactWriteItems", fault)

    told = all_at_once(lambda member: bought(faulty, member))

    settle(ledger, PROGRAM.moment(NOW + timedelta(minutes=11)), patience=deadline(60))
    assert Counter(done=20, OUT_OF_STOCK=60) == told
    assert (0, 0, 20) == agree(ledger, shards)


def test_buyers_of_what_has_no_end(engine: Engine) -> None:
    """A shard keeps a hundred reservations at a time; who comes while it does waits a moment; everybody gets one."""
    table = new_table(engine)
    ledger = ledger_on(engine, table, PROGRAM)
    reward(ledger, kind="service", stock={"counted": False})
    members = MEMBERS[:130]
    fund(ledger, members)

    assert Counter(done=130) == all_at_once(lambda member: bought(ledger, member), members)

    settle(ledger, PROGRAM.moment(NOW + timedelta(minutes=11)), patience=deadline(60))
    assert (0, 0, 130) == counts(ledger)


def test_eighty_buyers_for_twenty_codes(engine: Engine) -> None:
    """Twenty members have a code each, no two the same, whatever answers are lost on the way."""
    table = new_table(engine)
    ledger, faulty = ledger_on(engine, table, PROGRAM), ledger_on(engine, table, PROGRAM)
    codes = [f"code-{number}" for number in range(FEW_PIECES)]
    reward(ledger, kind="virtual", codes=codes, shards=2)
    fund(ledger, FEW)
    count = itertools.count(1)

    def fault(request: Any, send: Callable[[], Any]) -> Any:
        return (passes if next(count) % 5 else answer_lost)(request, send)

    FaultyNetwork(faulty).always("TransactWriteItems", fault)
    told = all_at_once(lambda member: bought(faulty, member))

    assert Counter(done=20, OUT_OF_STOCK=60) == told
    assert sorted(codes) == sorted(code for one in orders(ledger, FEW) for code in one.codes)


def test_everybody_cancels_at_once_and_twice(engine: Engine) -> None:
    """Each order is cancelled by two requests while the deadlines are settled: points and pieces come back once."""
    ledger, _ = shop_with(engine, 2)
    buyers = FEW[:FEW_PIECES]
    with ThreadPoolExecutor(FEW_PIECES) as pool:
        assert {"done"} == set(pool.map(lambda member: bought(ledger, member), buyers))
    found = {one.member: one.id for one in orders(ledger, buyers)}

    def cancel(asked: tuple[str, str]) -> str:
        member, key = asked
        here = Exchanging(ledger, PROGRAM, MOMENT, deadline(60), member, f"member:{member}", key)
        try:
            here.cancel(found[member], "", member=True, operator=False)
        except Refusal as refusal:
            return refusal.code
        return "done"

    with ThreadPoolExecutor(2 * FEW_PIECES + 1) as pool:
        sweeping = pool.submit(settle, ledger, MOMENT, patience=deadline(60))
        told = Counter(pool.map(cancel, [(member, key) for member in buyers for key in "ab"]))
        sweeping.result()

    settle(ledger, PROGRAM.moment(NOW + timedelta(minutes=11)), patience=deadline(60))
    assert Counter(done=FEW_PIECES, WRONG_STATUS=FEW_PIECES) == told
    assert (FEW_PIECES, 0, 0) == agree(ledger, 2)
