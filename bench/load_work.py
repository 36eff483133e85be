"""The work that is done on a filled table: each operation on a member that nobody has touched, and whole sweeps.

Members are taken from the whole table at equal distances, so that a table of any size is asked for the same things in
the same order, of members of the same kinds: what differs is what the size costs.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from bench.count import Count, Meter
from bench.load_fill import EXPIRING, LINES, PER, REMINDING, member_of, order_of
from bench.operations import MOMENT, NO_WAITING, NOW, PROGRAM, SHARDS, order_paid
from jifen.domain.errors import Refusal
from jifen.domain.ids import document_id
from jifen.domain.orders import EventType, OrderEvent, Refund
from jifen.service.earning import earn
from jifen.service.expiring import expire
from jifen.service.ports import Message, ShardTask, Sweep
from jifen.service.reading import EntryFilter, entries_page, member_view
from jifen.service.reminding import Reminding
from jifen.service.spending import Spending
from jifen.service.sweeping import work
from jifen.store.dynamo import DynamoLedger

DUE_MAX = 2_000
"""A sweep is measured shard by shard until so many accounts were due; a shard's cost does not depend on the others."""

POINTS = 10


@dataclass
class Cost:
    """What some operations of one kind cost together. Times in seconds; ``cpu_s`` is this process's own."""

    operations: int = 0
    trips: int = 0
    write_units: float = 0
    read_units: float = 0
    billed_units: float = 0
    cpu_s: list[float] = field(default_factory=list)
    latencies_s: list[float] = field(default_factory=list)

    def add(self, counted: Count) -> None:
        """Add what was counted of one more operation, or of several."""
        self.trips += counted.trips
        self.write_units += counted.write_units
        self.read_units += counted.read_units
        self.billed_units += counted.billed_units

    @property
    def counts(self) -> tuple[float, float, float, float]:
        """Trips, write units, read units and the engine's bill, of one operation."""
        sums = (self.trips, self.write_units, self.read_units, self.billed_units)
        trips, written, read, billed = (round(total / max(1, self.operations), 4) for total in sums)
        return trips, written, read, billed

    @property
    def median_s(self) -> float:
        """How long the middle one of the operations took."""
        return statistics.median(self.latencies_s)

    @contextmanager
    def timing(self) -> Iterator[None]:
        """Time one operation."""
        began, cpu_began = time.perf_counter(), time.process_time()
        yield
        self.cpu_s.append(time.process_time() - cpu_began)
        self.latencies_s.append(time.perf_counter() - began)
        self.operations += 1


def pool(members: int, smallest: int) -> list[int]:
    """As many ordinary members as the smallest table has, at equal distances; each of the same kind in every table."""
    distance = members // smallest
    return [
        block * distance * PER + place
        for block in range(smallest // PER)
        for place in range(PER)
        if place not in {EXPIRING, REMINDING}
    ]


# Single operations ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Desk:
    """Where operations are called; ``key`` makes their ids."""

    ledger: DynamoLedger
    key: str

    def _spending(self, name: str) -> Spending:
        return Spending(self.ledger, PROGRAM, MOMENT, NO_WAITING, f"{self.key}-{name}", "shop")

    def pay(self, member: str) -> object:
        """A new order of a member."""
        event = order_paid(f"{member}-new-{self.key}", member, NOW, LINES)
        return earn(self.ledger, PROGRAM, [event], MOMENT, NO_WAITING)

    def pay_again(self, member: str) -> object:
        """The payment of the order that was just paid, delivered once more."""
        return self.pay(member)

    def refund(self, member: str) -> object:
        """A refund of a member's first order, from long ago."""
        refund = Refund(f"r-{self.key}", NOW, "GBP", (), 900)
        order = order_of(member, 0)
        event = OrderEvent(EventType.REFUNDED, f"e-{self.key}", "standard", order, member, NOW, refund=refund)
        return earn(self.ledger, PROGRAM, [event], MOMENT, NO_WAITING)

    def redeem(self, member: str) -> object:
        """A redemption."""
        return self._spending("r").redeem(member, POINTS)

    def hold(self, member: str) -> Mapping[str, Any]:
        """A hold."""
        return self._spending("h").authorize(member, POINTS)

    def capture(self, member: str) -> object:
        """The capture of the hold that was made under this key."""
        return self._spending("c").capture(str(document_id("hd", member, f"{self.key}-h")))

    def balance(self, member: str) -> object:
        """What a member sees first."""
        return member_view(self.ledger.load([member]).accounts[member], PROGRAM, MOMENT)

    def statement(self, member: str) -> object:
        """The newest entries."""
        return entries_page(self.ledger, member, EntryFilter(), 20, None)


KINDS: Mapping[str, tuple[Callable[[Desk, str], object], bool]] = {
    "order paid": (Desk.pay, True),
    "order event again": (Desk.pay_again, False),
    "refund of an old order": (Desk.refund, True),
    "redeem": (Desk.redeem, True),
    "redeem again": (Desk.redeem, False),
    "hold": (Desk.hold, True),
    "capture": (Desk.capture, False),
    "balance": (Desk.balance, True),
    "statement": (Desk.statement, True),
}
"""What is done, and whether to a member who is new to the run (else to the one before)."""


@dataclass
class Side:
    """One table under measurement."""

    ledger: DynamoLedger
    members: int
    smallest: int
    costs: dict[str, Cost] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.meter = Meter(self.ledger)
        numbers = pool(self.members, self.smallest)
        # The same places in every table, in the same shuffled order.
        self._fresh = iter(random.Random(7).sample(numbers, len(numbers)))  # noqa: S311 - no secret
        self._member = ""

    def operate(self, kind: str, key: str) -> None:
        """Do and measure one operation."""
        call, is_fresh = KINDS[kind]
        if is_fresh:
            self._member = member_of(next(self._fresh))
        desk, cost = Desk(self.ledger, key), self.costs.setdefault(kind, Cost())
        with self.meter.counting() as counted, cost.timing():
            call(desk, self._member)
        cost.add(counted)


def operate(sides: Sequence[Side], operations: int) -> None:
    """So many operations of each kind on every side, in turns, so that their times can be compared."""
    for number in range(operations):
        for kind in KINDS:
            for side in sides if number % 2 else reversed(sides):
                side.operate(kind, f"k{number}")


# Sweeps --------------------------------------------------------------------------------------------------------------


class _Collect:
    channel = "event"

    @staticmethod
    def reaches(_contact: object) -> bool:
        return True

    @staticmethod
    def send(_message: Message) -> None:
        """Taken."""


class _NoMore:
    @staticmethod
    def send(tasks: object, delay_s: int = 0) -> None:
        raise AssertionError(tasks, delay_s)


def _complain(*what: object) -> None:
    raise AssertionError(what)


def _acts(ledger: DynamoLedger) -> Mapping[Sweep, Callable[[str], bool]]:
    reminding = Reminding(ledger, [_Collect()], PROGRAM, MOMENT, NO_WAITING, "worker", _complain)
    return {Sweep.EXPIRE: lambda member: expire(ledger, member, MOMENT, NO_WAITING), Sweep.REMIND: reminding.remind}


def sweep(side: Side, kind: Sweep, due_max: int = DUE_MAX) -> tuple[Cost, Cost]:
    """A day's run over as many shards as it takes; the cost of finding accounts, and of acting on them."""
    finding, acting = Cost(), Cost()
    act = _acts(side.ledger)[kind]

    def timed(member: str) -> bool:
        with acting.timing():
            return act(member)

    for shard in range(SHARDS):
        with side.meter.counting() as found:
            seen = _work(side.ledger, kind, shard, lambda _member: False)
        with side.meter.counting() as done:
            assert seen == _work(side.ledger, kind, shard, timed)
        finding.add(found)
        finding.operations += seen
        acting.add(done)
        if acting.operations >= due_max:
            break
    # The second pass found them again.
    acting.trips -= finding.trips
    acting.read_units -= finding.read_units
    acting.billed_units -= finding.billed_units
    return finding, acting


def _work(ledger: DynamoLedger, kind: Sweep, shard: int, act: Callable[[str], bool]) -> int:
    task = ShardTask(kind, NOW, shard)
    return work(ledger, _NoMore(), task, MOMENT, act, has_time=lambda: True, report=_complain).seen


# A long run ----------------------------------------------------------------------------------------------------------


def mix(ledger: DynamoLedger, members: int, seed: int) -> Iterator[str]:
    """Operations at random on members at random, for ever; yields the kind of each that was done."""
    rng = random.Random(seed)  # noqa: S311 - no secret
    kinds = list(KINDS)
    weights = (20, 10, 6, 12, 3, 6, 0, 30, 13)
    for number in count():
        kind = rng.choices(kinds, weights=weights)[0]
        member, desk = member_of(rng.randrange(members)), Desk(ledger, f"{seed}-{number}")
        try:
            KINDS[kind][0](desk, member)
            if kind == "hold":
                desk.capture(member)
        except Refusal as refusal:
            kind = refusal.code
        yield kind
