"""Many draws at once on a real engine: never more prizes than there are, and stock, draws and points agree.

    free + reserved + sold = stocked        sold = draws that won the prize        attempts 1, 2, 3 ... without a gap

The same with processes that end between the steps, and with answers that are lost; then the deadlines make it good.
"""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from jifen.domain.errors import Refusal
from jifen.domain.lotteries import Draw, DrawStatus
from jifen.domain.lottery_terms import read_terms, stock_subject
from jifen.service import stocking
from jifen.service.drawing import Drawing
from jifen.service.lotteries import Lotteries
from jifen.service.ports import Ledger, Loaded, Patience, Posting, of_member
from jifen.service.reading import prove_member
from jifen.store.dynamo import DynamoLedger
from local.engines import Engine
from tests.service.mall import settle
from tests.service.scene import PROGRAM, give
from tests.store.clients import deadline
from tests.store.faults import FaultyNetwork, answer_lost, passes
from tests.store.tables import ledger_on, new_table

THREADS = 64
NOON = datetime(2026, 3, 2, 4, tzinfo=UTC)
MOMENT = PROGRAM.moment(NOON)
LATE = PROGRAM.moment(NOON + timedelta(minutes=11))
MEMBERS = [f"m{number:02d}" for number in range(THREADS)]
POINTS = 100

CUP: Mapping[str, Any] = {"id": "cup", "title": "Cup", "kind": "virtual", "odds": "1", "stock": 10}
BACK: Mapping[str, Any] = {"id": "back", "title": "7 points", "kind": "points", "points": 7, "odds": "0"}
WHEEL: Mapping[str, Any] = {
    "title": "Wheel",
    "cost": 10,
    "attempts_per_day": 3,
    "from": "2026-03-02",
    "days": 3,
    "prizes": [CUP],
}


class Died(Exception):
    """The process ended."""


class Mortal:
    """The ledger of a process that ends at a commit, before or after it; 0: it lives."""

    def __init__(self, inner: Ledger, at: int, *, after: bool) -> None:
        self.inner, self._left, self._after = inner, at, after

    def commit(self, posting: Posting, patience: Patience) -> None:
        """Commit, or end."""
        self._left -= 1
        if not self._left and not self._after:
            raise Died
        self.inner.commit(posting, patience)
        if not self._left:
            raise Died

    def load(self, members: Sequence[str], documents: Sequence[Any] = ()) -> Loaded:
        """See :class:`jifen.service.ports.Ledger`."""
        return self.inner.load(members, documents)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


def lottery(
    engine: Engine, content: Mapping[str, Any] = WHEEL, members: Sequence[str] = MEMBERS
) -> tuple[DynamoLedger, str]:
    """A table with the lottery, and members with points for ten draws."""
    table = new_table(engine)
    ledger = ledger_on(engine, table, PROGRAM)
    before = PROGRAM.moment(NOON - timedelta(days=1))
    here = Lotteries(ledger, PROGRAM, before, deadline(60), "op", "operator:op")
    here.write("wheel", content, lambda: hashlib.sha256(b"seed").digest(), override="for the test")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda member: give(ledger, member, POINTS), members))
    return ledger, table


def told(ledger: Ledger, member: str, key: str = "k") -> str:
    """What a member is told: the prize, the outcome or the code of a refusal."""
    here = Drawing(ledger, PROGRAM, MOMENT, deadline(60), member, f"member:{member}", key)
    try:
        answer = here.draw(member, "wheel")
    except Refusal as refusal:
        return refusal.code
    except Died:
        return "died"
    return answer["prize"]["id"] if answer["prize"] else str(answer["outcome"])


def at_once(calls: Sequence[Callable[[], str]]) -> Counter[str]:
    """What all are told, each in a thread of its own."""
    with ThreadPoolExecutor(len(calls)) as pool:
        return Counter(pool.map(lambda call: call(), calls))


def agree(ledger: Ledger, content: Mapping[str, Any] = WHEEL, members: Sequence[str] = MEMBERS) -> Counter[str]:
    """How often each prize was won; the test fails where stock, draws and points do not agree."""
    won: Counter[str] = Counter()
    accounts = ledger.load(members).accounts
    for member in members:
        found = [one for one in ledger.listed(of_member("draws", member), None, 100).documents if isinstance(one, Draw)]
        drawn = sorted((one for one in found if one.status is DrawStatus.DRAWN), key=lambda one: one.attempt)
        assert list(range(1, len(drawn) + 1)) == [one.attempt for one in drawn], member
        assert POINTS - sum(one.cost - one.points for one in drawn) == accounts[member].balance, member
        assert prove_member(ledger, member).valid
        won.update(one.prize for one in drawn)
    for prize in read_terms(content, "CNY").prizes:
        if prize.stock is not None:
            shards = stocking.shards_of(ledger, stock_subject("wheel", prize.id), prize.shards)
            free, kept, sold = (
                sum(column) for column in zip(*((s.free or 0, s.kept, s.sold) for s in shards), strict=True)
            )
            assert (prize.stock, 0, won[prize.id]) == (free + kept + sold, kept, sold), prize.id
    return won


@pytest.mark.parametrize("shards", [1, 4])
def test_sixty_four_draw_ten_prizes(engine: Engine, shards: int) -> None:
    """Ten win, all others are told that there is nothing left, and nobody that it is busy."""
    content = {**WHEEL, "prizes": [{**CUP, "shards": shards}]}
    ledger, _ = lottery(engine, content)
    assert Counter(cup=10, NOTHING=54) == at_once([partial(told, ledger, member) for member in MEMBERS])
    assert Counter({"cup": 10, "": 54}) == agree(ledger, content)


def test_sixty_four_draws_where_something_takes_the_place_of_a_prize(engine: Engine) -> None:
    """Ten cups, five mugs, and seven points for everybody else."""
    mug = {**CUP, "id": "mug", "odds": "0", "stock": 5, "out_of_stock": "back"}
    content = {**WHEEL, "prizes": [{**CUP, "out_of_stock": "mug"}, mug, BACK]}
    ledger, _ = lottery(engine, content)
    assert Counter(cup=10, mug=5, back=49) == at_once([partial(told, ledger, member) for member in MEMBERS])
    agree(ledger, content)


def test_one_member_at_sixty_four_places_at_once(engine: Engine) -> None:
    """Three draws are made, with numbers of their own; of each key's two attempts both are told the same."""
    ledger, table = lottery(engine, members=MEMBERS[:1])
    others = [ledger_on(engine, table, PROGRAM) for _ in range(4)]
    calls = [partial(told, others[n % 4], MEMBERS[0], f"k{n // 2}") for n in range(THREADS)]
    counts = at_once(calls)
    assert {"cup", "LIMIT_REACHED"} == counts.keys()
    assert 3 <= counts["cup"] <= 6
    assert Counter(cup=3) == agree(ledger, members=MEMBERS[:1])


@pytest.mark.parametrize("seed", range(3))
def test_processes_that_end_between_the_steps(engine: Engine, seed: int) -> None:
    """Half of them end somewhere; some ask again. The deadline makes all agree, and no prize is won twice."""
    rng = random.Random(seed)
    content = {**WHEEL, "prizes": [{**CUP, "shards": 2, "out_of_stock": "refund"}]}
    ledger, _ = lottery(engine, content)
    ends = [Mortal(ledger, rng.choice([0, 1, 2, 3]), after=rng.random() < 0.5) for _ in MEMBERS]
    first = at_once([partial(told, end, member) for member, end in zip(MEMBERS, ends, strict=True)])
    assert first["died"] > 10
    settle(ledger, LATE, patience=deadline(60))
    agree(ledger, content)
    second = at_once([partial(told, ledger, member) for member in MEMBERS])
    assert {"cup", "REFUNDED"} == second.keys()
    settle(ledger, LATE, patience=deadline(60))
    assert 10 == agree(ledger, content)["cup"]


def test_answers_that_are_lost(engine: Engine) -> None:
    """Every third transaction's answer never arrives; each request is one draw all the same."""
    ledger, table = lottery(engine)
    slow = [ledger_on(engine, table, PROGRAM) for _ in range(8)]
    for one in slow:
        FaultyNetwork(one).next("TransactWriteItems", *([passes, passes, answer_lost] * 40))
    counts = at_once([partial(told, slow[n % 8], MEMBERS[n]) for n in range(24)])
    assert Counter(cup=10, NOTHING=14) == counts
    settle(ledger, LATE, patience=deadline(60))
    assert Counter({"cup": 10, "": 14}) == agree(ledger)
