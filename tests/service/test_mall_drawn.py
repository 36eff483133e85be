"""The mall under drawn interleavings: buyers, the shop, operators who fill, withdraw and reprice, and the deadlines.

Each step may run in the middle of another one, at any of its reads and writes, and may end there as a process does that
dies, or lose the answer of a write. Whatever was drawn, at the end the points are proved, and every piece and code is
where exactly one order, or the stock, has it.
"""

from __future__ import annotations

import contextlib
import random
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, TypeVar

import pytest

from jifen.domain.coupons import Coupon, CouponStatus
from jifen.domain.entries import Kind
from jifen.domain.errors import Refusal
from jifen.domain.exchanges import Wanted
from jifen.domain.lotteries import Draw
from jifen.domain.money import Money
from jifen.domain.program import Moment, parse_program
from jifen.domain.reward_orders import RewardOrder
from jifen.domain.rewards import CodeMark, OrderStatus, Stock
from jifen.domain.ruling import AuditLine
from jifen.service.couponing import Couponing
from jifen.service.deadlines import Deadlines
from jifen.service.drawing import Drawing
from jifen.service.exchanging import Exchanging
from jifen.service.lotteries import Lotteries
from jifen.service.ports import DocumentKey, DocumentMoved, Loaded, Patience, Posting, deadlines, of_member
from jifen.service.shelving import Shelving
from tests.service.ledgers import _Around
from tests.service.mall import ADDRESS, LIVE, orders
from tests.service.scene import NOW, give, proved
from tests.store.memory_ledger import MemoryLedger
from tests.store.patient import Patient

PROGRAM = parse_program(
    {
        "time_zone": "Asia/Shanghai",
        "currency": "CNY",
        "mall": {"times_per_day": 30, "reserve_minutes": 2, "cash_minutes": 30},
    }
)
MEMBERS = ("m1", "m2", "m3")
POINTS = 3_000
REWARDS: dict[str, dict[str, Any]] = {
    "cup": {"title": "Cup", "points": 100, "quantity_max": 4, "stock": {"shards": 3}},
    "jar": {"title": "Jar", "points": 10, "cash_minor": 500, "quantity_max": 3},
    "film": {
        "title": "Film",
        "kind": "virtual",
        "points": 50,
        "cash_minor": 100,
        "quantity_max": 3,
        "stock": {"codes": True},
    },
    "book": {"title": "Book", "kind": "virtual", "points": 30, "quantity_max": 2, "stock": {"codes": True}},
    "off": {
        "title": "Off",
        "kind": "coupon",
        "points": 20,
        "quantity_max": 3,
        "coupon": {"kind": "amount", "discount_minor": 5},
    },
    "hundred": {
        "title": "100",
        "kind": "voucher",
        "cash_minor": 100,
        "voucher": {"points": 100},
        "quantity_max": 2,
        "stock": {"counted": False},
    },
    "tree": {
        "title": "Tree",
        "kind": "donation",
        "points": 5,
        "quantity_max": 5,
        "stock": {"counted": False, "shards": 2},
    },
    "wash": {
        "title": "Wash",
        "kind": "service",
        "points": 7,
        "quantity_max": 5,
        "limits": [{"per": "day", "times": 6}],
    },
}
WHEEL = {
    "title": "Wheel",
    "cost": 5,
    "attempts_per_day": 20,
    "from": "2026-03-02",
    "days": 30,
    "prizes": [
        {"id": "a", "title": "A", "kind": "physical", "odds": "0.4", "stock": 3, "shards": 2, "out_of_stock": "b"},
        {"id": "b", "title": "B", "kind": "points", "points": 5, "odds": "0.3", "stock": 4, "out_of_stock": "refund"},
        {
            "id": "c",
            "title": "C",
            "kind": "coupon",
            "odds": "0.2",
            "stock": 2,
            "coupon": {"kind": "amount", "discount_minor": 5},
        },
    ],
}
STEPS = ("address", "paid", "ship", "deliver", "cancel", "back")
NEXT = {
    OrderStatus.CREATED: ("paid", "paid", "cancel"),
    OrderStatus.ADDRESS_DUE: ("address", "address", "cancel"),
    OrderStatus.TO_SHIP: ("ship", "ship", "deliver", "cancel"),
    OrderStatus.SHIPPED: ("deliver", "back", "back"),
    OrderStatus.FULFILLED: ("back", "back", "cancel"),
}
"""What is likely to be done next with an order."""

STEPS_OF_A_RUN = 70
POOLS = ("film", "book")
DEEP = 3
"""So many steps are in the middle of each other at most."""

Step = Callable[[Any, Moment], Any]


class Died(BaseException):
    """The process ended."""


class World:
    """What is drawn, and what is known to be there."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.inner = MemoryLedger(PROGRAM)
        self.now = NOW
        self.number = 0
        self.depth = 0
        self.rate = self.rng.choice([0.03, 0.1, 0.25])
        self.asked: list[Step] = []
        self.seen = Counter[str]()
        self.shown: dict[str, set[str]] = {}

    @property
    def moment(self) -> Moment:
        """Now."""
        return PROGRAM.moment(self.now)

    def key(self) -> str:
        """A new idempotency key."""
        self.number += 1
        return f"k{self.number}"

    def between(self) -> None:
        """Others may get in here."""
        if self.depth < DEEP and self.rng.random() < self.rate:
            self.step()

    def step(self) -> None:
        """One step of somebody, which may be one that was asked before."""
        self.depth += 1
        try:
            if self.asked and self.rng.random() < 0.15:
                do = self.rng.choice(self.asked)
            else:
                do = self.draw()
                self.asked.append(do)
            if self.rng.random() < 0.3:
                self.now += timedelta(
                    seconds=self.rng.choice([1, 20, 70, 130, 1_900, 90_000 if self.rng.random() < 0.3 else 5])
                )
            with contextlib.suppress(Died):
                try:
                    answer = do(Meddled(self), self.moment)
                    self.seen["done"] += 1
                    for code in answer.get("codes", ()) if isinstance(answer, dict) else ():
                        self.shown.setdefault(code, set()).add(answer["order_id"])
                except Refusal as refusal:
                    self.seen[refusal.code] += 1
        finally:
            self.depth -= 1

    def draw(self) -> Step:
        """A step of somebody."""
        rng, key = self.rng, self.key()
        kind = rng.choice(
            ["exchange"] * 8
            + ["order"] * 8
            + ["fill"] * 2
            + ["codes", "write", "shelf", "work", "work", "coupon", "coupon", "draw", "draw"]
        )
        made: Step = getattr(self, f"_{kind}")(key)
        return made

    # Who does what

    def _exchange(self, key: str) -> Step:
        rng, member = self.rng, self.rng.choice(MEMBERS)
        reward = rng.choice(list(REWARDS))
        address = ADDRESS if reward in {"cup", "jar"} and rng.random() < 0.3 else None
        wanted = Wanted(reward, rng.randint(1, 3), None, address)
        return lambda ledger, moment: Exchanging(ledger, PROGRAM, moment, Patient(60), member, "member", key).exchange(
            member, wanted
        )

    def _order(self, key: str) -> Step:
        rng = self.rng
        known = orders(self.inner, MEMBERS)
        if not known:
            return self._exchange(key)
        order = rng.choice(known)
        operator = rng.random() < 0.7
        name = rng.choice(NEXT.get(order.status, ("back",)) if rng.random() < 0.7 else STEPS)
        quantity = rng.choice([None, None, 1, 2])
        restock = rng.random() < 0.6
        payment = rng.choice(["p1", key])
        member = rng.random() < 0.3

        def do(ledger: Any, moment: Moment) -> object:
            here = Exchanging(ledger, PROGRAM, moment, Patient(60), "shop", "shop", key)
            match name:
                case "address":
                    return here.address(order.id, ADDRESS)
                case "paid":
                    return here.paid(order.id, Money(order.cash_minor or 1, order.currency or "CNY"), payment)
                case "ship":
                    return here.ship(order.id, "SF", "1")
                case "deliver":
                    return here.deliver(order.id)
                case "cancel":
                    return here.cancel(order.id, "", member=member, operator=operator and not member)
                case _:
                    return here.give_back(order.id, "", restock=restock, operator=operator, quantity=quantity)

        return do

    def _fill(self, key: str) -> Step:
        reward = self.rng.choice(["cup", "jar", "off", "wash"])
        pieces = self.rng.choice([1, 2, 5, -1, -2, -4])

        def do(ledger: Any, moment: Moment) -> object:
            return Shelving(ledger, PROGRAM, moment, Patient(60), "op", "operator:o", key).fill(reward, pieces, "")

        return do

    def _codes(self, key: str) -> Step:
        reward = self.rng.choice(["film", "book"])
        codes = [f"{reward}-{self.rng.randrange(60)}" for _ in range(self.rng.randint(1, 12))]
        return lambda ledger, moment: Shelving(ledger, PROGRAM, moment, Patient(60), "op", "operator:o", key).add_codes(
            reward, codes
        )

    def _write(self, _key: str) -> Step:
        reward = self.rng.choice(["cup", "jar", "film", "off", "wash"])
        content = {**REWARDS[reward], "points": self.rng.randrange(1, 200)}
        if reward == "jar":
            content["stock"] = {"shards": self.rng.choice([1, 2, 4])}
        return lambda ledger, moment: Shelving(ledger, PROGRAM, moment, Patient(60), "op", "operator:o").write(
            reward, content
        )

    def _shelf(self, key: str) -> Step:
        reward, on = self.rng.choice(list(REWARDS)), self.rng.random() < 0.8
        return lambda ledger, moment: Shelving(
            ledger, PROGRAM, moment, Patient(60), "op", "operator:o", key
        ).put_on_shelf(reward, "", on=on)

    def _work(self, _key: str) -> Step:
        return self.work

    def work(self, ledger: Any, moment: Moment) -> object:
        """One run of the deadlines; whatever fails is raised."""

        def report(name: str, failure: Exception) -> None:
            raise AssertionError(name) from failure

        return Deadlines(ledger, PROGRAM, moment, Patient(400), lambda: None, lambda: True, report).settle()  # type: ignore[arg-type,return-value]

    def _coupon(self, key: str) -> Step:
        rng = self.rng
        found = [
            one for member in MEMBERS for one in self.inner.listed(of_member("coupons", member), None, 500).documents
        ]
        if not found:
            return self._exchange(key)
        coupon = rng.choice(found)
        assert isinstance(coupon, Coupon)
        name = rng.choice(["use", "use", "release", "void"])
        order = ("standard", rng.choice(["o1", "o2"]))

        def do(ledger: Any, moment: Moment) -> object:
            here = Couponing(ledger, PROGRAM, moment, Patient(60), "shop", "shop", key)
            match name:
                case "use":
                    return here.use(coupon.id, order, Money(1_000, "CNY"), None)
                case "release":
                    return here.release(coupon.id, order)
                case _:
                    return here.void(coupon.id, "")

        return do

    def _draw(self, key: str) -> Step:
        member = self.rng.choice(MEMBERS)
        return lambda ledger, moment: Drawing(ledger, PROGRAM, moment, Patient(60), member, "member", key).draw(
            member, "wheel"
        )


class Meddled(_Around):
    """Others get in at every read and write; a write may be the last thing its process does, or its answer is lost."""

    def __init__(self, world: World) -> None:
        super().__init__(world.inner)
        self.world = world

    def load(self, members: Sequence[str], documents: Sequence[DocumentKey] = ()) -> Loaded:
        """Load, and let others in."""
        found = self.inner.load(members, documents)
        self.world.between()
        return found

    def commit(self, posting: Posting, patience: Patience) -> None:
        """Commit, or not."""
        rng = self.world.rng
        self.world.between()
        if rng.random() < 0.01:
            raise Died
        self.inner.commit(posting, patience)
        chance = rng.random()
        if chance < 0.01:
            raise Died
        if chance < 0.02 and posting.documents:
            raise DocumentMoved  # a resend whose first answer was lost finds its own write
        self.world.between()


def begun(seed: int) -> World:
    """Rewards, a lottery, three members with points."""
    world = World(seed)
    for member in MEMBERS:
        give(world.inner, member, POINTS)
    op = Shelving(world.inner, PROGRAM, world.moment, Patient(), "op", "operator:o")
    for name, content in REWARDS.items():
        op.write(name, content)
    for name, pieces in {"cup": 9, "jar": 8, "off": 9, "wash": 20}.items():
        Shelving(world.inner, PROGRAM, world.moment, Patient(), "op", "operator:o", f"f-{name}").fill(name, pieces, "")
    for name in ("film", "book"):
        Shelving(world.inner, PROGRAM, world.moment, Patient(), "op", "operator:o", f"c-{name}").add_codes(
            name, [f"{name}-{n}" for n in range(9)]
        )
    Lotteries(world.inner, PROGRAM, world.moment, Patient(), "op", "operator:o").write(
        "wheel", WHEEL, lambda: random.Random(seed).randbytes(32)
    )
    world.now += timedelta(days=1)
    return world


def checked(world: World) -> None:
    """See that everything is where it should be, once all deadlines were looked at."""
    ledger = world.inner
    world.depth = DEEP
    for _ in range(3):
        world.now += timedelta(days=20)
        world.work(ledger, world.moment)
    assert () == ledger.listed(deadlines(world.now), None, 10).documents
    assert proved(ledger, *MEMBERS)
    found = orders(ledger, MEMBERS)
    shards = [one for one in ledger._documents.values() if isinstance(one, Stock)]
    _check_pieces(world, shards, found)
    _check_codes(world, shards, found)
    _check_points(ledger, found)


def _check_pieces(world: World, shards: Sequence[Stock], found: Sequence[RewardOrder]) -> None:
    """What is sold is what orders and draws have, and together with what is free it is what was put in."""
    sold: Counter[tuple[str, str]] = Counter()
    owners: list[RewardOrder | Draw] = [*found, *owned(world.inner, "draws", Draw)]
    for owner in owners:
        for number, pieces in owner.pieces.items():
            sold[owner.stock, number] += pieces
    stocked: Counter[str] = Counter()
    for shard in shards:
        place = (shard.subject, str(shard.shard))
        assert (place, {}, sold.pop(place, 0)) == (place, shard.reserved, shard.sold)
        if shard.free is not None:
            assert (place, shard.stocked) == (place, shard.free + shard.sold)
            assert shard.free >= 0, place
        stocked[shard.subject] += shard.stocked
    assert not +sold
    lines = [one for one in world.inner._documents.values() if isinstance(one, AuditLine)]
    filled: Counter[str] = Counter()
    for line in lines:
        if line.action == "reward.stocked":
            filled[line.target.partition("/")[2]] += line.details["pieces"]
    assert dict(filled) == {name: stocked[name] for name in filled}


def _check_codes(world: World, shards: Sequence[Stock], found: Sequence[RewardOrder]) -> None:
    """Each code that was ever put in is free or in one order, and no two orders have ever shown the same."""
    held = Counter(code for shard in shards for code in shard.codes)
    for shard in shards:
        assert not shard.pooled or len(shard.codes) == shard.free
    for order in found:
        held.update(order.codes)
        if order.reward in POOLS and order.status in LIVE:
            assert len(order.codes) == order.quantity
    put_in = {one.code for one in world.inner._documents.values() if isinstance(one, CodeMark)}
    assert dict.fromkeys(put_in, 1) == dict(held)
    assert all(len(who) == 1 for who in world.shown.values())


def _check_points(ledger: MemoryLedger, found: Sequence[RewardOrder]) -> None:
    """The entries of an order are its price less what went back; coupons of one that came to nothing are void."""
    moved: Counter[str] = Counter()
    for member in MEMBERS:
        for entry in ledger.history(member):
            if entry.draft.source.type == "reward_order" and entry.draft.kind in {Kind.REDEEM, Kind.RESTORE}:
                moved[entry.draft.source.id] += entry.draft.points
    coupons = {one.id: one for one in owned(ledger, "coupons", Coupon)}
    for order in found:
        assert moved[order.id] == order.restored - order.points
        for coupon in order.details.get("coupons", ()):
            assert order.status in LIVE or coupons[coupon].status is CouponStatus.VOID


D = TypeVar("D", Coupon, Draw)


def owned(ledger: MemoryLedger, name: str, kind: type[D]) -> list[D]:
    """What members have of a kind."""
    pages = [ledger.listed(of_member(name, member), None, 10_000).documents for member in MEMBERS]
    return [one for page in pages for one in page if isinstance(one, kind)]


@pytest.mark.parametrize("seed", range(8))
def test_points_pieces_and_codes_agree(seed: int) -> None:
    """Whatever was drawn; more seeds and steps find no more than these, and take longer."""
    world = begun(seed)
    for _ in range(STEPS_OF_A_RUN):
        world.step()

    checked(world)
    assert world.seen["done"] > STEPS_OF_A_RUN / 2
