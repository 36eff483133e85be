"""What tests of the mall say often: rewards with stock, a desk that exchanges, and whether points and stock agree."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from jifen.domain import stocks
from jifen.domain.exchanges import Wanted
from jifen.domain.money import Money
from jifen.domain.offers import read_offer
from jifen.domain.program import Moment, Program, parse_program
from jifen.domain.reward_orders import RewardOrder
from jifen.domain.rewards import OrderStatus, Reward, Stock
from jifen.service import exchanging as service
from jifen.service.deadlines import Deadlines, Settled
from jifen.service.exchanging import Exchanging
from jifen.service.mall_documents import RewardOrderKey, StockKey
from jifen.service.ports import Ledger, Patience, Posting
from tests.service.scene import NOW
from tests.store.patient import Patient

PROGRAM = parse_program({"time_zone": "Asia/Shanghai", "currency": "CNY"})
MOMENT = PROGRAM.moment(NOW)
ADDRESS = {"name": "Li Lei", "phone": "138 0000 0000", "street": "Nanjing Road 1"}
YUAN = Money(1_000, "CNY")

LIVE = (OrderStatus.CREATED, OrderStatus.ADDRESS_DUE, OrderStatus.TO_SHIP, OrderStatus.SHIPPED, OrderStatus.FULFILLED)
"""Statuses of an order whose pieces are sold."""


def reward(
    ledger: Ledger,
    reward_id: str = "cup",
    pieces: int = 5,
    *,
    codes: Sequence[str] = (),
    shards: int = 1,
    **content: Any,
) -> Reward:
    """Put a reward on the shelf with so many pieces, or codes, spread over its shards."""
    stock = {"codes": True} if codes else {"shards": shards}
    written = {"title": reward_id.title(), "kind": "physical", "points": 100, **content}
    written["stock"] = {**stock, **content.get("stock", {})}
    offer = read_offer(written, "CNY")
    made = Reward(reward_id, written, shards, "operator:o", NOW, currency="CNY" if offer.cash_minor else None)
    left, kept = list(codes), list[Stock]()
    for number, part in enumerate(stocks.shares(len(codes) or pieces, shards)):
        own, left = tuple(left[:part]), left[part:]
        free = part if offer.counted else None
        kept.append(Stock(reward_id, number, free, 0, free or 0, own, pooled=bool(codes)))
    ledger.commit(Posting(documents=(made, *kept)), Patient())
    return made


def desk(
    ledger: Ledger,
    key: str = "k",
    moment: Moment = MOMENT,
    program: Program = PROGRAM,
    *,
    actor: str = "shop:s",
    patience: Patience | None = None,
) -> Exchanging:
    """The use cases under an idempotency key."""
    return Exchanging(ledger, program, moment, patience or Patient(), actor, actor, key)


def exchange(
    ledger: Ledger, member: str = "m1", reward_id: str = "cup", key: str = "k", **more: Any
) -> Mapping[str, Any]:
    """Exchange, with an address that comes later."""
    kind = {name: more.pop(name) for name in ("moment", "program", "patience", "actor") if name in more}
    return desk(ledger, key, **kind).exchange(member, Wanted(reward_id, **more))


def order_of(ledger: Ledger, order_id: str) -> RewardOrder:
    """An order as it is stored."""
    key = RewardOrderKey(service.member_of(order_id), order_id)
    found = ledger.load([], [key]).documents[key]
    assert isinstance(found, RewardOrder)
    return found


def shards_of(ledger: Ledger, reward_id: str = "cup", shards: int = 1) -> list[Stock]:
    """The shards of a stock."""
    keys = [StockKey(reward_id, number) for number in range(shards)]
    found = ledger.load([], keys).documents
    return [one for key in keys if isinstance(one := found[key], Stock)]


def counts(ledger: Ledger, reward_id: str = "cup", shards: int = 1) -> tuple[int, int, int]:
    """Pieces that are free, reserved and sold."""
    found = shards_of(ledger, reward_id, shards)
    return stocks.available(found) or 0, sum(one.kept for one in found), sum(one.sold for one in found)


def orders(ledger: Ledger, members: Iterable[str], program: Program = PROGRAM) -> list[RewardOrder]:
    """Every order of some members that is one."""
    del program
    return [one for member in members for one in service._all(ledger, member)]


def later(program: Program = PROGRAM, **by: float) -> Moment:
    """A moment some time after NOW."""
    return program.moment(NOW + timedelta(**by))


def settle(ledger: Ledger, moment: Moment, program: Program = PROGRAM, patience: Patience | None = None) -> Settled:
    """One run of the deadlines; whatever fails is raised."""

    def report(name: str, failure: Exception) -> None:
        raise AssertionError(name) from failure

    def nobody() -> Any:
        return None

    return Deadlines(ledger, program, moment, patience or Patient(1_000), nobody, lambda: True, report).settle()
