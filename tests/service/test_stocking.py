"""Stock beside points under every order of things that a seed can think of: never oversold, no code twice, none lost.

Clients run one at a time and the seed says who is next at every call to the ledger. They buy, ask again under the same
key, die at any write, cancel, read late, and let what ran out be recovered, over one shard or several.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from jifen.domain import stocks
from jifen.domain.errors import Busy, LedgerFault, OutOfStock, Refusal
from jifen.domain.exchanges import Wanted
from jifen.domain.ids import document_id
from jifen.domain.program import Moment
from jifen.domain.rewards import RESERVED_MAX, Reserved, Stock
from jifen.service import stocking
from jifen.service.deadlines import Deadlines
from jifen.service.exchanging import Exchanging
from jifen.service.ports import DocumentKey, DocumentMoved, Ledger, Loaded, Patience, Posting
from local.simulation.scheduler import Scheduler
from tests.service.mall import ADDRESS, LIVE, MOMENT, PROGRAM, counts, later, orders, reward, settle, shards_of
from tests.service.scene import NOW, balance_of, give, proved
from tests.store.memory_ledger import MemoryLedger
from tests.store.patient import Patient

MEMBERS = ("m1", "m2", "m3")
PIECES, PRICE, MONEY = 4, 10, 100
SEEDS = 60


class Died(Exception):
    """The process ended."""


class Process:
    """A client's ledger: somebody else may get in at every call, and some writes are its last."""

    def __init__(self, inner: MemoryLedger, scheduler: Scheduler, rng: random.Random, mortal: float) -> None:
        self.inner, self._scheduler, self._rng, self._mortal = inner, scheduler, rng, mortal

    def load(self, members: Sequence[str], documents: Sequence[DocumentKey] = ()) -> Loaded:
        """Read; what is read together is not of one instant."""
        self._scheduler.switch()
        accounts = self.inner.load(members).accounts
        self._scheduler.switch()
        return Loaded(accounts, self.inner.load([], documents).documents)

    def commit(self, posting: Posting, patience: Patience) -> None:
        """Write, or end before it or after it."""
        self._scheduler.switch()
        fate = self._rng.random()
        if fate < self._mortal / 2:
            raise Died
        self.inner.commit(posting, patience)
        if fate < self._mortal:
            raise Died

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


class Shop:
    """One run: a stock, members who buy in two processes each, and one that looks at deadlines."""

    def __init__(self, seed: int, shards: int, *, codes: bool) -> None:
        self.rng = random.Random(f"{seed}-{shards}-{codes}")
        self.ledger = MemoryLedger(PROGRAM)
        self.shards, self.codes = shards, [f"c{number}" for number in range(PIECES)] if codes else []
        kind = "virtual" if codes else "physical"
        reward(
            self.ledger,
            pieces=PIECES,
            codes=self.codes,
            kind=kind,
            points=PRICE,
            quantity_max=2,
            shards=shards,
        )
        for member in MEMBERS:
            give(self.ledger, member, MONEY)
        self.scheduler = Scheduler(self.rng, 0.2, lambda: None)
        self.minute = 0

    def moment(self) -> Moment:
        """Now: time goes on by minutes, so that reservations run out while somebody holds them."""
        self.minute += self.rng.randrange(4)
        return PROGRAM.moment(NOW + timedelta(minutes=self.minute))

    def process(self) -> Process:
        """A ledger of a process that may end."""
        return Process(self.ledger, self.scheduler, random.Random(self.rng.random()), 0.15)

    def buyer(self, member: str) -> Callable[[], None]:
        """Buys under few keys, so that two processes of a member often ask for the same."""

        def work() -> None:
            for _ in range(4):
                key, quantity = self.rng.choice("ab"), self.rng.choice((1, 1, 2))
                here = Exchanging(self.process(), PROGRAM, self.moment(), Patient(500), member, f"member:{member}", key)
                try:
                    made = here.exchange(member, Wanted("cup", quantity))
                    fate = self.rng.random()
                    if fate < 0.3:
                        staff = Exchanging(self.process(), PROGRAM, self.moment(), Patient(500), "o", "operator:o", key)
                        staff.cancel(made["order_id"], "", member=False, operator=True)
                    elif fate < 0.6 and not self.codes:
                        self.send_back(made["order_id"])
                except (Refusal, Died):
                    continue

        return work

    def send_back(self, order_id: str) -> None:
        """Have it sent, and take a piece of it back."""

        def staff(key: str) -> Exchanging:
            arguments = (self.process(), PROGRAM, self.moment(), Patient(500), "s", "shop:s", f"{key}-{order_id}")
            return Exchanging(*arguments)

        staff("address").address(order_id, ADDRESS)
        staff("ship").ship(order_id, "SF", "1")
        staff("return").give_back(order_id, "", restock=True, operator=False, quantity=1)

    def sweeper(self) -> None:
        """Settles what is overdue, again and again, and dies now and then."""
        for _ in range(6):
            self.scheduler.switch()
            arguments = (self.process(), PROGRAM, self.moment(), Patient(500), _nobody, lambda: True, _raised)
            try:
                Deadlines(*arguments).settle()
            except Died:
                continue

    def run(self) -> None:
        """Everybody at once, and in the end the deadlines of an hour later."""
        for number in range(2):
            for member in MEMBERS:
                self.scheduler.spawn(f"{member}-{number}", self.buyer(member))
        self.scheduler.spawn("sweeper", self.sweeper)
        self.scheduler.run()
        settle(self.ledger, PROGRAM.moment(NOW + timedelta(hours=2)))

    def faults(self) -> list[str]:
        """What does not agree."""
        found = orders(self.ledger, MEMBERS)
        live = [one for one in found if one.status in LIVE]
        free, reserved, sold = counts(self.ledger, shards=self.shards)
        used_up = [one for one in found if one.status not in LIVE and one.codes]
        spent = Counter(dict.fromkeys(MEMBERS, 0))
        for one in live:
            spent[one.member] += one.points - one.restored
        seen = [code for one in found for code in one.codes]
        left = [code for shard in shards_of(self.ledger, shards=self.shards) for code in shard.codes]
        checks = {
            "free + reserved + sold = stocked": free + reserved + sold == PIECES,
            "nothing is left reserved": reserved == 0,
            "sold = orders": sold == sum(one.quantity - one.returned for one in [*live, *used_up]),
            "points": all(balance_of(self.ledger, member) == MONEY - spent[member] for member in MEMBERS),
            "proof": proved(self.ledger, *MEMBERS),
            "no code twice": sorted(seen + left) == sorted(self.codes),
            "codes of orders": all(len(one.codes) == one.quantity * bool(self.codes) for one in live),
        }
        return [name for name, holds in checks.items() if not holds]


def _nobody() -> Any:
    """Nobody waits for the reward, so nobody has to be told that it is there again."""
    return None


def _raised(name: str, failure: Exception) -> None:
    """A process that ends is part of the run; anything else fails it."""
    assert isinstance(failure, Died), f"{name}: {failure!r}"


def wrong_seeds(seeds: int, shards: int, *, codes: bool) -> Iterator[tuple[int, list[str]]]:
    """The seeds after whose runs something does not agree, and what."""
    for seed in range(seeds):
        shop = Shop(seed, shards, codes=codes)
        try:
            shop.run()
        except (LedgerFault, AssertionError) as failure:
            yield seed, [repr(failure)]
            continue
        if wrong := shop.faults():
            yield seed, wrong


@pytest.mark.parametrize("codes", [False, True])
@pytest.mark.parametrize("shards", [1, 3, 6])
def test_whoever_comes_first_everything_agrees(shards: int, *, codes: bool) -> None:
    """After every run pieces, codes, orders and points agree, whatever died in between."""
    assert [] == list(wrong_seeds(SEEDS, shards, codes=codes))


# Planted -------------------------------------------------------------------------------------------------------------


def counts_whatever_is_reserved(patch: pytest.MonkeyPatch) -> None:
    """What a late attempt left behind is counted as sold with the order."""
    real = stocks.confirm
    patch.setattr(stocks, "confirm", lambda shard, order_id, _mark: real(shard, order_id, _own(shard, order_id)))
    posted = stocking._with_posted
    patch.setattr(
        stocking,
        "_with_posted",
        lambda shard, order_id, found: posted(shard, order_id, replace(found, marks={})),
    )


def _own(shard: Stock, order_id: str) -> int:
    kept = shard.reserved.get(order_id)
    return kept.mark if kept else -1


def releases_without_a_fence(patch: pytest.MonkeyPatch) -> None:
    """A reservation that ran out is released although somebody may be posting the order with it."""

    def recover(ledger: Ledger, patience: Patience, shard: Stock, order_id: str, _now: datetime) -> bool:
        key = stocking.owner_key(order_id)
        found = ledger.load([], [key]).documents.get(key)
        posted = stocking.is_posted(found)

        def after(one: Stock) -> Stock:
            return stocking._with_posted(one, order_id, found) if posted else stocks.release(one, order_id)

        stocking._settled(ledger, patience, shard, after)
        return posted

    patch.setattr(stocking, "recover", recover)


def takes_what_its_twin_has(patch: pytest.MonkeyPatch) -> None:
    """A second attempt of a request replaces what the first one has reserved."""
    real = stocks.reserve

    def reserve(shards: Sequence[Stock], order: str, *more: Any) -> Any:
        return real([stocks.release(shard, order) for shard in shards], order, *more)

    patch.setattr(stocks, "reserve", reserve)


@pytest.mark.parametrize("plant", [counts_whatever_is_reserved, releases_without_a_fence, takes_what_its_twin_has])
def test_a_fault_that_is_planted_is_found(plant: Callable[[pytest.MonkeyPatch], None]) -> None:
    """The runs above would find each of these within a few hundred seeds."""
    with pytest.MonkeyPatch.context() as patch:
        plant(patch)
        found = (
            wrong for shards in (1, 3) for codes in (False, True) for wrong in wrong_seeds(300, shards, codes=codes)
        )
        assert next(found, None)


# One by one ----------------------------------------------------------------------------------------------------------


def test_a_shard_that_is_full_of_reservations_is_busy_and_not_sold_out() -> None:
    """As many as a shard keeps are in the middle of buying: who comes then waits, and is not told none are left."""
    ledger = MemoryLedger(PROGRAM)
    reward(ledger, pieces=200)
    (shard,) = shards_of(ledger)
    kept = {str(document_id("ro", "m9", str(n))): Reserved(1, later(minutes=10).now) for n in range(RESERVED_MAX)}
    ledger.commit(Posting(documents=(replace(shard, free=100, reserved=kept),)), Patient())
    give(ledger, "m1", 100)

    with pytest.raises(Busy):
        Exchanging(ledger, PROGRAM, MOMENT, Patient(3), "s", "shop:s", "k").exchange("m1", Wanted("cup"))
    Exchanging(ledger, PROGRAM, later(minutes=10), Patient(30), "s", "shop:s", "k").exchange("m1", Wanted("cup"))

    assert 0 == balance_of(ledger, "m1")


def test_the_same_order_keeps_what_it_has() -> None:
    """Asked again behind the same fence it gets the same pieces and codes, and nothing is written."""
    ledger = MemoryLedger(PROGRAM)
    reward(ledger, kind="virtual", codes=("a", "b", "c"))
    order_id = str(document_id("ro", "m1", "k"))

    def kept(fence: int) -> tuple[str, ...]:
        until = later(minutes=10).now
        found = stocking.reserve(ledger, Patient(), ("cup", 1), order_id, 2, fence, NOW, until)
        return stocks.codes_of(found, order_id)

    first, writes = kept(0), ledger.commits
    assert (("a", "b"), first) == (first, kept(0))
    assert writes == ledger.commits
    assert ("c", "a") == kept(1)
    with pytest.raises(DocumentMoved):
        kept(0)


def test_too_few_pieces_in_all_shards_are_told_with_what_is_left() -> None:
    """Pieces of several shards make up one order; one more than there are is refused and keeps none."""
    ledger = MemoryLedger(PROGRAM)
    reward(ledger, pieces=7, shards=6)
    order_id = str(document_id("ro", "m1", "k"))

    with pytest.raises(OutOfStock) as refused:
        stocking.reserve(ledger, Patient(), ("cup", 6), order_id, 8, 0, NOW, later(minutes=10).now)
    found = stocking.reserve(ledger, Patient(), ("cup", 6), order_id, 7, 0, NOW, later(minutes=10).now)

    assert 7 == refused.value.facts()["left"]
    assert 7 == sum(stocks.pieces_of(found, order_id).values())
    assert (0, 7, 0) == counts(ledger, shards=6)
