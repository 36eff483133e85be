"""Clients in processes of their own: what they do to a ledger, and what they were told.

    a client ──own connection──> engine        done: facts that were acknowledged
                                               unknown: facts whose outcome it never learnt

A fact is a tuple that can be found again in the ledger; ``books.py`` does. Started by ``test_concurrency.py``; a module
of its own, so that a fresh interpreter can import it.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from botocore.exceptions import BotoCoreError
from pynamodb.exceptions import PynamoDBException

from jifen.domain.errors import Busy, Refusal
from jifen.domain.ids import document_id
from jifen.domain.orders import EventType, Line, OrderEvent, Paid, Refund
from jifen.domain.program import Moment
from jifen.runtime import MARGIN_S, Deadline
from jifen.service.earning import earn
from jifen.service.expiring import expire
from jifen.service.ports import Ledger
from jifen.service.reading import prove_member
from jifen.service.spending import Spending
from local.engines import Engine
from tests.store.tables import ledger_on
from tests.store.values import MOMENT, NOW, PROGRAM

Fact = tuple[Any, ...]
STEP, DAYS_A_STEP = 8, 100
"""After so many operations the calendar goes on by so many days: holds lapse, and after a year so do points."""

MEMBERS = ("m0", "m1", "m2")
SHARED_ORDERS = 12
"""Orders that every client knows of and sends: their deliveries are each other's duplicates."""


def deadline(seconds: float) -> Deadline:
    """A real deadline so many seconds of work from now."""
    end = time.monotonic() + seconds + MARGIN_S
    return Deadline(lambda: end - time.monotonic())


# Spending until nothing is left --------------------------------------------------------------------------------------


def redeem_until_empty(
    engine: Engine, table: str, member: str, client: int, points: int, tries_max: int
) -> dict[str, list[Any]]:
    """Redeem again and again under fresh keys; the ids that were acknowledged, and the codes of what was refused."""
    ledger = ledger_on(engine, table, PROGRAM)
    told: dict[str, list[Any]] = {"done": [], "refused": []}
    for number in range(tries_max):
        desk = Spending(ledger, PROGRAM, MOMENT, deadline(20), f"{client}-{number}", "shop")
        try:
            told["done"].append(desk.redeem(member, points)["redemption_id"])
        except Refusal as refusal:
            told["refused"].append(refusal.code)
            if refusal.code == "INSUFFICIENT_POINTS":
                break
    return told


def redeem_at_once(engine: Engine, table: str, member: str, keys: list[str], points: int) -> Counter[str]:
    """Redeem once under each key, all at the same time; how often it was done, or refused with which code."""
    ledger = ledger_on(engine, table, PROGRAM)

    def one(key: str) -> str:
        try:
            Spending(ledger, PROGRAM, MOMENT, deadline(60), key, "shop").redeem(member, points)
        except Refusal as refusal:
            return refusal.code
        return "done"

    with ThreadPoolExecutor(len(keys)) as pool:
        return Counter(pool.map(one, keys))


# Everything at random ------------------------------------------------------------------------------------------------


@dataclass
class Told:
    """What one client was told."""

    done: list[Fact] = field(default_factory=list)
    unknown: list[Fact] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)


def mixed(engine: Engine, table: str, client: int, seed: int, operations: int, patience_s: float = 60) -> Told:
    """So many operations at random, the same for the same seed and client, with the calendar going on in between.

    Ends early at the first operation whose outcome it cannot learn within ``patience_s``.
    """
    crowd = _Client(ledger_on(engine, table, PROGRAM), client, random.Random(f"{seed}-{client}"), patience_s)
    for number in range(operations):
        crowd.now = NOW + timedelta(days=DAYS_A_STEP * (number // STEP))
        if not crowd.act(number):
            break
    return crowd.told


@dataclass
class _Client:
    ledger: Ledger
    client: int
    rng: random.Random
    patience_s: float
    now: datetime = NOW
    told: Told = field(default_factory=Told)
    orders: list[str] = field(default_factory=list)
    redeemed: list[tuple[str, int]] = field(default_factory=list)
    holds: list[tuple[str, int]] = field(default_factory=list)

    def act(self, number: int) -> bool:
        """One operation; False when its outcome stayed unknown."""
        actions = (self._pay, self._refund, self._redeem, self._restore, self._hold, self._resolve, self._look)
        action = self.rng.choices(actions, weights=(28, 14, 16, 8, 13, 60 if self.holds else 0, 8))[0]
        asked = action(f"{self.client}-{number}")
        if asked is None:
            return True
        fact, call = asked
        try:
            answer = call()
            if self.rng.random() < 0.3:
                assert answer == call() or fact[0] in {"order", "look"}
        except Busy:
            self.told.unknown.append(fact)
            return False
        except Refusal as refusal:
            self.told.refused[refusal.code] += 1
            return True
        except (PynamoDBException, BotoCoreError):
            self.told.unknown.append(fact)
            return False
        self.told.done.append(fact)
        self._remember(fact)
        return True

    def _remember(self, fact: Fact) -> None:
        match fact:
            case "order", order, "paid":
                self.orders.append(order)
            case (("redeem" | "capture"), redemption, points):
                self.redeemed.append((redemption, points))
            case "hold", hold, points:
                self.holds.append((hold, points))

    @property
    def _moment(self) -> Moment:
        return PROGRAM.moment(self.now)

    def _desk(self, key: str) -> Spending:
        return Spending(self.ledger, PROGRAM, self._moment, deadline(self.patience_s), key, "shop")

    def _send(self, *events: OrderEvent) -> Callable[[], Any]:
        return lambda: earn(self.ledger, PROGRAM, events, self._moment, deadline(self.patience_s))

    def _pay(self, key: str) -> tuple[Fact, Callable[[], Any]]:
        order = self._shared() if self.rng.random() < 0.4 else f"own-{key}"
        return ("order", order, "paid"), self._send(paid(order, self.rng.choice(MEMBERS), self.now))

    def _refund(self, _key: str) -> tuple[Fact, Callable[[], Any]]:
        order = self.rng.choice(self.orders) if self.orders and self.rng.random() < 0.6 else self._shared()
        if self.rng.random() < 0.15:
            return ("order", order, "cancelled"), self._send(cancelled(order, self.now))
        part = self.rng.randrange(3)
        return ("order", order, f"refund {part}"), self._send(refunded(order, part, self.now))

    def _shared(self) -> str:
        return f"shared-{self.rng.randrange(SHARED_ORDERS)}"

    def _redeem(self, key: str) -> tuple[Fact, Callable[[], Any]]:
        member, points = self.rng.choice(MEMBERS), self.rng.randint(1, 30)
        redemption = str(document_id("rd", member, key))
        return ("redeem", redemption, points), lambda: self._desk(key).redeem(member, points)

    def _restore(self, key: str) -> tuple[Fact, Callable[[], Any]] | None:
        if not self.redeemed:
            return None
        redemption, most = self.rng.choice(self.redeemed)
        points = self.rng.randint(1, most)
        key = f"restore-{key}"
        return ("restore", redemption, key, points), lambda: self._desk(key).restore(redemption, points)

    def _hold(self, key: str) -> tuple[Fact, Callable[[], Any]]:
        member, points = self.rng.choice(MEMBERS), self.rng.randint(1, 30)
        hold = str(document_id("hd", member, key))
        return ("hold", hold, points), lambda: self._desk(key).authorize(member, points)

    def _resolve(self, key: str) -> tuple[Fact, Callable[[], Any]]:
        hold, most = self.holds[-1] if self.rng.random() < 0.2 else self.holds.pop()
        if self.rng.random() < 0.4:
            return ("void", hold), lambda: self._desk(key).void(hold)
        points = self.rng.randint(1, most)
        return ("capture", hold, points), lambda: self._desk(key).capture(hold, points)

    def _look(self, _key: str) -> tuple[Fact, Callable[[], Any]]:
        member = self.rng.choice(MEMBERS)
        if self.rng.random() < 0.7:
            return ("look", "expire"), lambda: expire(self.ledger, member, self._moment, deadline(self.patience_s))
        return ("look", "proof"), lambda: self._prove(member)

    def _prove(self, member: str) -> None:
        proof = prove_member(self.ledger, member)
        assert proof.valid, f"{member} cannot be proved while others write: {proof}"


# Orders whose facts follow from their id, so that whoever sends them sends the same ----------------------------------


def _minor(order: str) -> int:
    return 3_000 + sum(order.encode()) % 40 * 100


def paid(order: str, member: str, now: datetime) -> OrderEvent:
    """The payment; a shared order has one buyer and one day, whoever sends it."""
    if order.startswith("shared"):
        number = int(order.split("-")[1])
        member, now = MEMBERS[number % len(MEMBERS)], NOW + timedelta(days=20 * number)
    state = Paid(member, now, "CNY", (Line(1, "tea", _minor(order)),))
    return OrderEvent(EventType.PAID, f"p-{order}", "standard", order, member, now, state)


def refunded(order: str, part: int, now: datetime) -> OrderEvent:
    """One of three refunds of an order, a quarter of it each."""
    refund = Refund(str(part), NOW, "CNY", (), _minor(order) // 4)
    return OrderEvent(EventType.REFUNDED, f"r{part}-{order}", "standard", order, None, now, refund=refund)


def cancelled(order: str, now: datetime) -> OrderEvent:
    """The cancellation of an order."""
    return OrderEvent(EventType.CANCELLED, f"c-{order}", "standard", order, None, now)
