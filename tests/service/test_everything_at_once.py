"""Everything that moves points, mixed and drawn: none is made, lost, spent twice or given back twice.

A world of four members, three orders and a few programs that take each other's place. What is done is drawn; after
every step the books are looked through. A second law cuts one request short by another one at each of its reads and
writes: both end as if one had come after the other.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from functools import partial
from typing import Any

import pytest

from jifen.domain import coupons
from jifen.domain.account import Account, as_of
from jifen.domain.checkout import Basket, Item
from jifen.domain.debits import Guard
from jifen.domain.entries import Kind
from jifen.domain.errors import Refusal
from jifen.domain.lots import total
from jifen.domain.money import Money
from jifen.domain.offers import CouponTerms
from jifen.domain.orders import EventType, Line, LineKind, Order, OrderEvent, Paid, Refund, RefundLine
from jifen.domain.program import Program, parse_program
from jifen.domain.proof import BETWEEN_MEMBERS, prove
from jifen.domain.spending import Hold, HoldStatus, Redemption
from jifen.domain.transfers import Transfer
from jifen.domain.used_points import due_back, given_back
from jifen.service.couponing import Couponing
from jifen.service.earning import earn
from jifen.service.expiring import expire
from jifen.service.ports import DocumentKey, Loaded, Patience, Posting
from jifen.service.spending import Paying, Spending
from jifen.service.spent_documents import document_key, names_of
from jifen.service.transferring import Transferring
from tests.service.scene import give
from tests.store.memory_ledger import MemoryLedger
from tests.store.patient import Patient

START = datetime(2026, 3, 1, 4, tzinfo=UTC)
MEMBERS = ("m1", "m2", "m#3", "m/4")
ORDERS = ("o1", "o#2", "o/3")


def program(clawback: str, cooling: int, restore: str, **more: Any) -> Program:
    """One of the programs that take each other's place: points live for few days, limits bite."""
    return parse_program(
        {
            "time_zone": "Asia/Shanghai",
            "currency": "CNY",
            "clawback": clawback,
            "expiry": {"policy": "days", "days": 9, "round_up_to": "none"},
            "redemption": {
                "max_points_per_day": 260,
                "times_per_day": 8,
                "max_points_per_order": 150,
                "expired_on_restore": restore,
                "grace_days": 2,
            },
            "transfers": {"points_per_day": 200, "received_per_day": 220, "cooling_days": cooling},
            "security": {"password_above": 120},
            **more,
        }
    )


PROGRAMS = {
    "debt": [
        program("debt", 0, "lapse"),
        program("debt", 3, "grace", earning={"rules": [{"id": "base", "rate": {"points": 2, "per_minor": 100}}]}),
    ],
    "mixed": [
        program("debt", 2, "grace"),
        program("clamp", 0, "lapse"),
        program("negative", 1, "lapse", time_zone="Pacific/Kiritimati"),
        program("debt", 0, "grace", time_zone="Pacific/Pago_Pago"),
        program("negative", 1, "grace", earning={"rules": [{"id": "base", "rate": {"points": 1, "per_minor": 70}}]}),
    ],
}

Outcome = tuple[str, Any]
NOT_NOW = {"INSUFFICIENT_POINTS", "LIMIT_REACHED", "ORDER_CANCELLED", "POINTS_PASSWORD_REQUIRED"}
"""Refusals of which several hold at one instant: which one is told is not what counts."""
Request = Callable[["World"], Any]


@dataclass
class World:
    """A ledger, what time it is, which program is in force, and what was asked for so far."""

    ledger: Any
    programs: Sequence[Program]
    now: datetime = START
    which: int = 0
    done: list[tuple[Request, Outcome]] = field(default_factory=list)
    given: int = 0

    @property
    def program(self) -> Program:
        """The program in force."""
        return self.programs[self.which]

    def spending(self, key: str) -> Spending:
        """The desk of redemptions and holds."""
        return Spending(self.ledger, self.program, self.program.moment(self.now), Patient(), key, "shop")

    def transferring(self, key: str, subject: str) -> Transferring:
        """The desk of transfers."""
        moment = self.program.moment(self.now)
        return Transferring(self.ledger, self.program, moment, Patient(), subject, subject, key)

    def ask(self, request: Request) -> Outcome:
        """The answer to a request, or the code of its refusal."""
        try:
            return "done", request(self)
        except Refusal as refusal:
            return refusal.code, refusal.facts().get("limit")

    def beside(self, ledger: Any) -> World:
        """The same world with another ledger."""
        return World(ledger, self.programs, self.now, self.which)


def documents(ledger: MemoryLedger, kind: type) -> list[Any]:
    """All documents of a kind."""
    return [one for one in ledger._documents.values() if isinstance(one, kind)]


def copied(ledger: MemoryLedger) -> MemoryLedger:
    """A ledger that goes its own way from here."""
    twin = MemoryLedger(ledger.program)
    for name in ("_accounts", "_dates", "_entries", "_documents"):
        setattr(twin, name, dict(getattr(ledger, name)))
    return twin


# What is asked for ----------------------------------------------------------------------------------------------------


class Draw:
    """Draws what is done next."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.count = 0
        self.about: tuple[str, str] | None = None

    def pair(self, world: World) -> tuple[Request, Request]:
        """Two requests, often about one order and member, or the same one twice."""
        if self.random.random() < 0.6:
            open_holds = [one for one in documents(world.ledger, Hold) if one.status is HoldStatus.AUTHORIZED]
            of_order = [(one.order_id, one.member) for one in open_holds if one.order_id]
            self.about = self.random.choice(of_order or [(self.order, self.member)])
        one = self.request(world)
        other = self.request(world) if self.random.random() < 0.8 else one
        self.about = None
        return one, other

    def request(self, world: World) -> Request:
        """One request; some go wrong on purpose."""
        self.count += 1
        kinds: Sequence[Callable[[World], Request]] = (
            [*[self.paid] * 5]
            + [self.refund] * 3
            + [self.cancel, self.delivery]
            + [self.redeem] * 5
            + [self.hold] * 4
            + [self.capture] * 3
            + [self.void] * 2
            + [self.restore] * 3
            + [self.transfer] * 4
            + [self.take_back] * 2
            + [self.sweep]
            + [self.coupon] * 2
        )
        if self.about:
            kinds = (
                [self.refund] * 3 + [self.capture] * 3 + [self.cancel, self.void, self.restore, self.redeem, self.hold]
            )
        return self.random.choice(kinds)(world)

    @property
    def member(self) -> str:
        """One of the members."""
        return self.about[1] if self.about else self.random.choice((*MEMBERS, *MEMBERS[:1] * 4))

    @property
    def order(self) -> str:
        """One of the orders."""
        return self.about[0] if self.about else self.random.choice(ORDERS)

    @property
    def points(self) -> int:
        """A few points, or many."""
        return self.random.choice((1, 2, 7, 30, 50, 99, 150))

    def paid(self, world: World) -> Request:
        """An order is paid."""
        return booked(self.paid_event(world))

    def refund(self, world: World) -> Request:
        """A part of an order goes back."""
        return booked(self.refund_event(world))

    def cancel(self, world: World) -> Request:
        """An order is cancelled."""
        return booked(self.cancel_event(world))

    def paid_event(self, world: World) -> OrderEvent:
        """An order is paid, or amended, or moved to another member; a part of it may be paid with points."""
        order, member, revision = self.order, self.member, self.random.choice((0, 0, 0, 1, 2))
        amount, by_points = self.random.choice((100, 3_000, 9_999, 15_000)), self.random.choice((0, 0, 500))
        at = world.now - timedelta(days=self.random.choice((0, 0, 1, 8)))
        lines: tuple[Line, ...] = (Line(1, "tea", amount), Line(2, "cup", 1_000))
        lines += (Line(3, "points", by_points, LineKind.POINTS),) if by_points else ()
        state = Paid(member, at, "CNY", lines, revision)
        return OrderEvent(EventType.PAID, f"p{self.count}", "standard", order, member, at, paid=state)

    def refund_event(self, world: World) -> OrderEvent:
        """A part of an order goes back, by its lines or by a total."""
        order, amount = self.order, self.random.choice((1, 1_000, 3_000, 20_000))
        lines = (RefundLine(amount, None, 1),) if self.random.random() < 0.5 else ()
        refund = Refund(f"r{self.random.randrange(40)}", world.now, "CNY", lines, amount)
        return OrderEvent(EventType.REFUNDED, f"r{self.count}", "standard", order, None, world.now, refund=refund)

    def cancel_event(self, world: World) -> OrderEvent:
        """An order is cancelled."""
        return OrderEvent(EventType.CANCELLED, f"c{self.count}", "standard", self.order, None, world.now)

    def delivery(self, world: World) -> Request:
        """Several facts in one delivery, some of them about one order."""
        kinds = self.random.choices((self.paid_event, self.refund_event, self.cancel_event), (4, 3, 1), k=4)
        return booked(*(kind(world) for kind in kinds))

    def paying(self) -> tuple[str | None, Paying]:
        """For an order or for none, exactly or up to, with the password or without."""
        order = self.random.choice((None, self.order, self.order))
        above = 120 if self.random.random() < 0.5 else None
        guard = Guard(120, proven=above is None)
        basket = (
            Basket("CNY", (Item(Line(1, "tea", 20_000), Fraction(20_000)),)) if self.random.random() < 0.3 else None
        )
        return order, Paying(basket, up_to=self.random.random() < 0.2, guard=lambda: guard)

    def redeem(self, _world: World) -> Request:
        """Points are spent."""
        key, member, points, (order, paying) = f"k{self.count}", self.member, self.points, self.paying()
        return lambda world: world.spending(key).redeem(member, points, order, paying=paying)

    def hold(self, _world: World) -> Request:
        """Points are reserved."""
        key, member, points, (order, paying) = f"k{self.count}", self.member, self.points, self.paying()
        seconds = self.random.choice((60, 3_600, 86_400 * 12))
        return lambda world: world.spending(key).authorize(member, points, order, seconds, paying=paying)

    def _name(self, found: Sequence[Any], nothing: str) -> str:
        """The id of one of the latest documents, of the order that all is about where there is one."""
        latest = [one.id for one in found if not self.about or one.order_id == self.about[0]][-6:]
        return str(self.random.choice(latest or [nothing]))

    def _hold(self, world: World) -> str:
        holds = documents(world.ledger, Hold)
        still_open = [one for one in holds if one.status is HoldStatus.AUTHORIZED and self.about]
        return self._name(still_open or holds, "hd.bTE.0000000000000000000000")

    def capture(self, world: World) -> Request:
        """A hold is spent, or a part of it."""
        key, hold, points = f"k{self.count}", self._hold(world), self.random.choice((None, None, 1, 30))
        return lambda world: world.spending(key).capture(hold, points)

    def void(self, world: World) -> Request:
        """A hold is given back."""
        key, hold = f"k{self.count}", self._hold(world)
        return lambda world: world.spending(key).void(hold)

    def restore(self, world: World) -> Request:
        """What was spent goes back by hand, or a part of it."""
        found = (*documents(world.ledger, Redemption), *documents(world.ledger, Hold))
        key, name = f"k{self.count}", self._name(found, "rd.bTE.0000000000000000000000")
        points = self.random.choice((None, 1, 20))
        return lambda world: world.spending(key).restore(name, points)

    def transfer(self, _world: World) -> Request:
        """Points are given to a friend."""
        key, member, to, points = f"k{self.count}", self.member, self.member, self.points
        guard = Guard(120, proven=self.random.random() < 0.5)
        return lambda world: world.transferring(key, member).send(member, to, points, "", lambda: guard)

    def take_back(self, world: World) -> Request:
        """A gift is taken back."""
        found = [one.id for one in documents(world.ledger, Transfer)]
        key, name = f"k{self.count}", self.random.choice(found[-6:] or ["tr.bTE.0000000000000000000000"])
        return lambda world: world.transferring(key, "shop").cancel(name)

    def sweep(self, _world: World) -> Request:
        """What time has done is written down."""
        member = self.member
        return lambda world: expire(world.ledger, member, world.program.moment(world.now), Patient())

    def coupon(self, _world: World) -> Request:
        """A coupon is used or released."""
        key, name = f"k{self.count}", f"cp.bTE.{self.random.randrange(3):022d}"
        order, goods = ("standard", self.order), Money(9_000, "CNY")
        release = self.random.random() < 0.5

        def asked(world: World) -> Any:
            moment = world.program.moment(world.now)
            desk = Couponing(world.ledger, world.program, moment, Patient(), "shop", "shop", key)
            return desk.release(name, order) if release else desk.use(name, order, goods, None)

        return asked


def booked(*events: OrderEvent) -> Request:
    """Order events, delivered together; the points they brought."""

    def asked(world: World) -> Any:
        moment = world.program.moment(world.now)
        return sum(outcome.points for outcome in earn(world.ledger, world.program, events, moment, Patient()))

    return asked


def opened(seed: int, policies: str) -> tuple[World, Draw]:
    """A world in which everybody has some points and m1 three coupons."""
    world, draw = World(MemoryLedger(PROGRAMS[policies][0]), PROGRAMS[policies]), Draw(seed)
    for number, member in enumerate(MEMBERS):
        give(world.ledger, member, 40 + 60 * number, START.date() + timedelta(days=5 * number))
    moment = world.program.moment(START)
    for number in range(3):
        terms = CouponTerms(discount_minor=500, valid_days=7, uses_per_day=1)
        issued = coupons.issue(f"cp.bTE.{number:022d}", "m1", "five", terms, ("reward_order", "ro"), moment, "CNY")
        world.ledger.commit(Posting(documents=(issued,)), Patient())
    return world, draw


# The books -----------------------------------------------------------------------------------------------------------


def faults(world: World) -> list[str]:
    """What is wrong with the books."""
    ledger, moved, booked_on, gone = world.ledger, 0, defaultdict[str, int](int), defaultdict[str, int](int)
    found = [fault for member in ledger._accounts for fault in _of_account(world, member)]
    for draft in (entry.draft for member in ledger._accounts for entry in ledger.history(member)):
        if draft.kind in BETWEEN_MEMBERS:
            moved += draft.points
        elif draft.kind in {Kind.EARN, Kind.CLAWBACK}:
            booked_on[draft.source.id] += draft.points
        elif draft.kind in {Kind.REDEEM, Kind.RESTORE}:
            gone[str(next(line.get("redemption") or line.get("hold") for line in draft.why))] -= draft.points
    found += [f"transfers made {moved} points"] if moved else []
    for order in documents(ledger, Order):
        found += _of_order(ledger, order, booked_on[order.order_id])
    for document in (*documents(ledger, Redemption), *documents(ledger, Hold)):
        found += _of_document(ledger, document, gone[document.id], world.now)
    transfers = documents(ledger, Transfer)
    return found + [one.id for one in transfers if not total(one.received) <= one.points == total(one.sent)]


def _of_account(world: World, member: str) -> list[str]:
    account = world.ledger._accounts[member]
    found = [one.name for one in prove(account, world.ledger.history(member)).equations if not one.holds]
    now = as_of(account, world.program.moment(world.now)).account
    if now.debt and now.lots:
        found.append(f"owes {now.debt} and has points")
    return [f"{member}: {fault}" for fault in found]


def _of_order(ledger: MemoryLedger, order: Order, booked_points: int) -> list[str]:
    found = []
    granted = (order.award.granted if order.award else 0) + sum(order.forgiven.values())
    if booked_points != granted:
        found.append(f"{order.order_id} has {booked_points} booked and {granted} granted")
    for name in names_of(order):
        document = ledger._documents[document_key(name)]
        assert isinstance(document, Redemption | Hold)
        due = due_back(total(document.spent), given_back(order))
        if document.restored < due:
            found.append(f"{name} of {order.order_id}: {document.restored} of {due} went back")
        if order.cancelled and ledger._accounts[document.member].hold(document.id):
            found.append(f"{name} is held for {order.order_id}, which is cancelled")
    return found


def _of_document(ledger: MemoryLedger, document: Redemption | Hold, gone: int, now: datetime) -> list[str]:
    found = []
    spent = total(document.spent)
    if not 0 <= document.restored <= spent or gone != spent - document.restored:
        found.append(f"{document.id}: {spent} spent, {document.restored} restored, {gone} gone")
    if isinstance(document, Hold):
        held = ledger._accounts[document.member].hold(document.id)
        is_open = document.status is HoldStatus.AUTHORIZED
        if held and (not is_open or held.points != document.points):
            found.append(f"{document.id} is {document.status} and holds {held.points}")
        if is_open and not held and document.expires_at > now:
            found.append(f"{document.id} is open and holds nothing")
    return found


def misspent(world: World, before: Mapping[str, int]) -> list[str]:
    """Debits since then that touch what had lapsed or was pending."""
    today, found = world.program.moment(world.now).today, list[str]()
    for member in world.ledger._accounts:
        for entry in world.ledger.history(member):
            draft = entry.draft
            if entry.sequence > before.get(member, 0) and draft.kind in {Kind.REDEEM, Kind.HOLD, Kind.TRANSFER_OUT}:
                if draft.reason == "TRANSFER_CANCELLED":
                    continue
                wrong = [lot for lot in draft.lots if lot.expires_on and lot.expires_on < today]
                wrong += [lot for lot in draft.lots if lot.active_from and lot.active_from > today]
                found += [f"{member} spent {wrong}"] if wrong else []
    return found


def versions(world: World) -> dict[str, int]:
    """The number of entries of each account."""
    return {member: account.version for member, account in world.ledger._accounts.items()}


# One after the other -------------------------------------------------------------------------------------------------


def turn(world: World, draw: Draw) -> None:
    """Time passes, another program comes into force, something is asked for, or asked for again."""
    if draw.random.random() < 0.2:
        world.now += timedelta(minutes=draw.random.choice((7, 300, 1_440, 5_760)))
    if draw.random.random() < 0.1:
        world.which = draw.random.randrange(len(world.programs))
        world.ledger.follow(world.program)
    before = versions(world)
    if world.done and draw.random.random() < 0.15:
        request, outcome = draw.random.choice(world.done[-20:])
        assert world.ask(request) == outcome
        assert before == versions(world)
        return
    request = draw.request(world)
    outcome = world.ask(request)
    assert not misspent(world, before)
    if outcome[0] == "done" and isinstance(outcome[1], Mapping):
        world.done.append((request, outcome))
    elif outcome[0] != "done":
        assert before == versions(world)


def played(seed: int, policies: str, steps: int) -> World:
    """A world after so many steps, looked through after each."""
    world, draw = opened(seed, policies)
    for _ in range(steps):
        turn(world, draw)
        assert not faults(world)
    return world


@pytest.mark.parametrize("policies", PROGRAMS)
@pytest.mark.parametrize("seed", range(12))
def test_the_books_are_right_whatever_is_done(policies: str, seed: int) -> None:
    """After every step; and what was answered once is answered again, whatever the program is by then."""
    world = played(seed, policies, 60)
    assert any(outcome[0] == "done" for _, outcome in world.done)


# Two at once ---------------------------------------------------------------------------------------------------------


class Between:
    """A ledger in which somebody else gets in just before the given one of our reads and writes.

    Each item of a read is one of them, in an order of its own, for a batched read is not one instant.
    """

    def __init__(self, inner: MemoryLedger, at: int, other: Callable[[], None], shuffled: random.Random) -> None:
        self.inner, self.at, self.other, self.random = inner, at, other, shuffled
        self.steps = 0

    def _step(self) -> None:
        if self.steps == self.at:
            self.steps += 1
            self.other()
        self.steps += 1

    def load(self, members: Sequence[str], documents: Sequence[DocumentKey] = ()) -> Loaded:
        """Read item by item."""
        accounts, found = dict[str, Account](), dict[DocumentKey, Any]()
        items: list[tuple[bool, Any]] = [(True, one) for one in members] + [(False, one) for one in documents]
        self.random.shuffle(items)
        for is_account, key in items:
            self._step()
            if is_account:
                accounts |= self.inner.load([key]).accounts
            else:
                found |= self.inner.load([], [key]).documents
        return Loaded({member: accounts[member] for member in members}, found)

    def commit(self, posting: Posting, patience: Patience) -> None:
        """Write."""
        self._step()
        self.inner.commit(posting, patience)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


def state(world: World) -> Any:
    """All that is true now, but for how often and in which order it was written."""
    moment = world.program.moment(world.now)
    now = {member: as_of(one, moment).account for member, one in world.ledger._accounts.items()}
    accounts = {
        member: (one.lots, one.debt, sorted(one.holds, key=lambda hold: hold.hold_id), one.lifetime, one.standing.used)
        for member, one in now.items()
        if one.version
    }
    return accounts, {key: replace(one, version=0) for key, one in world.ledger._documents.items()}


def serial(world: World, first: Request, second: Request) -> tuple[Outcome, Outcome, Any]:
    """What comes of one request after another."""
    twin = world.beside(copied(world.ledger))
    outcomes = twin.ask(first), twin.ask(second)
    return *outcomes, state(twin)


def at_once(world: World, draw: Draw, one: Request, other: Request) -> None:
    """Cut one request short by another at each of its steps: it comes out as if they had come after each other."""
    after, before = serial(world, one, other), serial(world, other, one)
    allowed = [
        (_plain(after[0]), _plain(after[1]), after[2]),
        (_plain(before[1]), _plain(before[0]), before[2]),
    ]
    for at in range(40):
        beside, outcomes = world.beside(copied(world.ledger)), list[Outcome]()
        get_in = partial(_answered, beside, other, outcomes)
        mine = world.beside(Between(beside.ledger, at, get_in, draw.random)).ask(one)
        if not outcomes:
            return
        ended = (_plain(mine), _plain(outcomes[0]), state(beside))
        assert ended in allowed, (at, mine, outcomes[0], [case[:2] for case in allowed])


def _plain(outcome: Outcome) -> Outcome:
    return ("NOT_NOW", None) if outcome[0] in NOT_NOW else outcome


def _answered(world: World, request: Request, outcomes: list[Outcome]) -> None:
    outcomes.append(world.ask(request))


@pytest.mark.parametrize("policies", PROGRAMS)
@pytest.mark.parametrize("seed", range(530, 539))
def test_two_at_once_are_one_after_the_other(policies: str, seed: int) -> None:
    """Whatever the two are, and wherever the second gets in."""
    world, draw = opened(seed, policies)
    for _ in range(40):
        turn(world, draw)
        if draw.random.random() < 0.5:
            at_once(world, draw, *draw.pair(world))
