"""What a member does in the mall and at play, as operations to be counted: see :mod:`bench.operations`.

Rewards, a lottery and an auction are there already, and a process has seen none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

from jifen.domain.checkout import Basket, Item
from jifen.domain.exchanges import Wanted
from jifen.domain.money import Money
from jifen.domain.orders import Line
from jifen.domain.program import Moment, Program
from jifen.service.bidding import Bidding
from jifen.service.couponing import Couponing
from jifen.service.drawing import Drawing
from jifen.service.exchanging import Exchanging
from jifen.service.lotteries import Lotteries
from jifen.service.ports import Ledger, Patience
from jifen.service.quoting import Asking, quote
from jifen.service.shelving import Shelving
from jifen.service.transferring import Transferring

Call = Callable[[], object]

CUP: Mapping[str, Any] = {
    "title": "Cup",
    "kind": "physical",
    "category": "home",
    "points": 50,
    "limits": [{"per": "month", "times": 2}],
    "stock": {"low": 5},
}
FIVE: Mapping[str, Any] = {
    "title": "Five off",
    "kind": "coupon",
    "points": 50,
    "coupon": {"kind": "over", "discount_minor": 500, "threshold_minor": 5_000, "valid_days": 30},
}


@dataclass(frozen=True, slots=True)
class Visit:
    """One member's visit: ``member`` has points, everything else is made for the visit alone."""

    ledger: Ledger
    program: Program
    moment: Moment
    patience: Patience
    member: str

    def _at(self, service: Any, key: str, by: str = "shop") -> Any:
        return service(self.ledger, self.program, self.moment, self.patience, by, f"{by}:{by}", key)

    def reward(self, content: Mapping[str, Any], pieces: int | None, shards: int = 1) -> str:
        """A reward on the shelf, with pieces in its stock."""
        name = f"r-{self.member}"
        stock = {**content.get("stock", {}), "shards": shards, "counted": pieces is not None}
        self._at(Shelving, "w", "operator").write(name, {**content, "stock": stock})
        if pieces:
            self._at(Shelving, f"f-{self.member}", "operator").fill(name, pieces, "")
        return name

    def exchange(self, reward: str) -> Any:
        """One piece of it."""
        return self._at(Exchanging, f"x-{self.member}").exchange(self.member, Wanted(reward))

    def quote(self) -> Any:
        """What an order of a few lines earns and can use."""
        items = tuple(Item(Line(number, f"sku-{number}", 2_000), Fraction(2_000)) for number in range(1, 6))
        return quote(self.ledger, self.program, self.moment, Asking(self.member, Basket("GBP", items)))

    def transfer(self) -> Any:
        """Points to a friend who has some."""
        return self._at(Transferring, f"t-{self.member}").send(self.member, f"{self.member}-friend", 50)

    def lottery(self, stock: int | None) -> str:
        """A lottery whose one prize everybody wins."""
        prize: dict[str, Any] = {"id": "cup", "title": "Cup", "kind": "physical", "odds": "1"}
        if stock is not None:
            prize |= {"stock": stock, "out_of_stock": "nothing"}
        content = {
            "title": "Spring",
            "cost": 50,
            "attempts_per_day": 3,
            "from": (self.moment.today + timedelta(days=1)).isoformat(),
            "days": 30,
            "prizes": [prize],
        }
        self._at(Lotteries, "w", "operator").write(f"l-{self.member}", content, lambda: bytes(32))
        return f"l-{self.member}"

    def draw(self, lottery: str) -> Any:
        """One draw, on the lottery's first day."""
        later = replace(self, moment=self.program.moment(self.moment.now + timedelta(days=1)))
        return later._at(Drawing, f"d-{self.member}").draw(self.member, lottery)  # noqa: SLF001 - the same visit, later

    def auction(self) -> str:
        """An auction that opens in an hour."""
        content = {
            "title": "Watch",
            "kind": "physical",
            "start_points": 1,
            "step_points": 1,
            "from": _said(self.moment.now + timedelta(hours=1)),
            "until": _said(self.moment.now + timedelta(hours=9)),
        }
        self._at(Bidding, "w", "operator").write(f"a-{self.member}", content)
        return f"a-{self.member}"

    def bid(self, auction: str, member: str, points: int) -> Any:
        """A bid, once it is open."""
        later = replace(self, moment=self.program.moment(self.moment.now + timedelta(hours=2)))
        return later._at(Bidding, f"b-{member}").bid(member, auction, points)  # noqa: SLF001 - as above

    def use(self, coupon: str) -> Any:
        """A coupon, on an order."""
        return self._at(Couponing, f"u-{self.member}").use(
            coupon, ("standard", f"o-{self.member}"), Money(10_000, "GBP"), None
        )


def _said(at: datetime) -> str:
    return at.isoformat()


def _exchange(pieces: int, shards: int = 1) -> Callable[[Visit], Call]:
    def prepared(visit: Visit) -> Call:
        reward = visit.reward(CUP, pieces, shards)
        return lambda: visit.exchange(reward)

    return prepared


def _again(visit: Visit) -> Call:
    reward = visit.reward(CUP, 10)
    visit.exchange(reward)
    return lambda: visit.exchange(reward)


def _coupon(visit: Visit) -> Call:
    order = visit.exchange(visit.reward(FIVE, None))
    (coupon,) = order["coupons"]
    return lambda: visit.use(str(coupon))


def _draw(stock: int | None) -> Callable[[Visit], Call]:
    def prepared(visit: Visit) -> Call:
        lottery = visit.lottery(stock)
        return lambda: visit.draw(lottery)

    return prepared


def _outbid(visit: Visit) -> Call:
    auction = visit.auction()
    visit.bid(auction, f"{visit.member}-friend", 10)
    return lambda: visit.bid(auction, visit.member, 20)


VISITS: Mapping[str, Callable[[Visit], Call]] = {
    "quote": lambda visit: visit.quote,
    "exchange": _exchange(10),
    "exchange, 20 shards": _exchange(200, 20),
    "exchange again": _again,
    "transfer": lambda visit: visit.transfer,
    "use a coupon": _coupon,
    "draw": _draw(None),
    "draw of a prize with stock": _draw(10),
    "bid above another's": _outbid,
}
"""What is prepared, and what is then counted."""
