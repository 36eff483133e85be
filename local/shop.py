"""An invented year of a Chinese shop for coffee and coffee things, as a replay file: same seed, same bytes.

Orders are paid all through 2025, Asia/Shanghai. Points live twelve months to the end of the month, so they expire month
by month through 2026, and the daily sweeps go on until the last of them, paid in December 2025, has gone:

    2025  orders, refunds, cancellations, redemptions, sweeps around each month's end (nothing is due yet)
    2026  late refunds, redemptions of members who were reminded, sweeps every day

What a points system finds hard is in it: baskets with shipping, coupons, gift cards and samples, line totals that are
not quantity times price, guests, amended orders, refunds in parts, by amount, without an order, and before their
payment, orders that arrive days late, copies of messages, and redemptions of more than there is.

Lines come in the order of their delivery. That is the order of `occurred_at`, but for what is late on purpose. The
refunds of an order never give back more than was bought.

Every choice is drawn with `Random.random()`, the one method whose sequence for a seed Python promises to keep between
versions, and no hash decides an order.
"""

import gzip
import heapq
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

Event = dict[str, Any]
Line = dict[str, Any]
_T = TypeVar("_T")

PROGRAM: dict[str, Any] = {
    "time_zone": "Asia/Shanghai",
    "currency": "CNY",
    "earning": {
        "rules": [
            {"id": "base", "on": "order.paid", "rate": {"points": 1, "per_minor": 100}, "rounding": "floor"},
        ],
    },
    "expiry": {"policy": "months", "months": 12, "round_up_to": "month_end"},
    "clawback": "debt",
    "reminders": {"lead_days": [30, 7, 3]},
}
"""The program that goes with the file: 1 yuan is 1 point, for 12 months to the month's end."""

SHANGHAI = timezone(timedelta(hours=8))
FIRST_DAY = date(2025, 1, 1)
LAST_ORDER_DAY = date(2025, 12, 31)
LAST_SWEEP_DAY = date(2027, 1, 3)

# (stock keeping unit, name, price in fen, category, how often it is bought)
_GOODS = (
    ("LATTE", "拿铁", 2800, "drinks", 9),
    ("AMERICANO", "美式", 2200, "drinks", 7),
    ("FLATWHITE", "澳白", 3000, "drinks", 4),
    ("OATLATTE", "燕麦拿铁", 3299, "drinks", 4),
    ("CROISSANT", "可颂", 1880, "food", 5),
    ("TIRAMISU", "提拉米苏", 3650, "food", 2),
    ("BEANS-YIRGA", "耶加雪菲咖啡豆 250 克", 9800, "beans", 3),
    ("BEANS-YUNNAN", "云南小粒咖啡豆 250 克", 6990, "beans", 4),
    ("DRIP-10", "挂耳咖啡 10 包", 5990, "beans", 4),
    ("MUG-BLUE", "青花马克杯", 8900, "homeware", 2),
    ("TUMBLER", "随行杯", 12900, "homeware", 2),
    ("KETTLE", "手冲壶", 26900, "equipment", 1),
    ("GRINDER", "手摇磨豆机", 39900, "equipment", 1),
    ("SCALE", "咖啡电子秤", 18850, "equipment", 1),
)
_GIFT_CARDS = (("GIFT-100", 10000), ("GIFT-200", 20000))
_SAMPLES = ("SAMPLE-DRIP", "SAMPLE-TEA")
_SURNAMES = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗"
_GIVEN_NAMES = ("晓雨", "子涵", "一诺", "思远", "佳怡", "浩然", "梓萱", "明哲", "雅琴", "文博", "若曦", "志强", "小满")
_BUSY_DAYS = {(6, 18): 40, (11, 11): 60, (12, 12): 25, (2, 14): 15}


def events(seed: int, members: int = 120, orders: int = 2000) -> Iterator[Event]:
    """Give the lines of the replay file in the order of their delivery.

    `members` buy, some much and many little, beside guests; `orders` is how many orders are paid.
    Raises ValueError when either is below 1.
    """
    if min(members, orders) < 1:
        raise ValueError(f"a shop needs members and orders, not {members} and {orders}")
    dice = _Dice(random.Random(seed))
    post = _Post()
    days = _calendar()
    moments = sorted(_moment(dice.pick(days), dice.between(7 * 3600, 22 * 3600)) for _ in range(orders))
    for number, paid_at in enumerate(moments, start=1):
        _write_order(dice, post, number, paid_at, members)
    _write_unmatched_refunds(dice, post, orders, members)
    _write_sweeps(post)
    yield from _deliver(dice, post, list(member_names(members)))


def write(path: Path, seed: int, members: int = 120, orders: int = 2000) -> int:
    """Write the replay file, compressed when `path` ends in `.gz`; returns the number of lines.

    The lines are the same bytes for the same seed everywhere; how they are compressed is up to the machine's zlib.
    """
    lines = [json.dumps(event, ensure_ascii=False, separators=(",", ":")) for event in events(seed, members, orders)]
    data = "".join(f"{line}\n" for line in lines).encode()
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)
    return len(lines)


def member_names(members: int) -> dict[str, str]:
    """Map each member's id to an invented name; the same for every seed."""
    return {
        f"m-{n:04d}": _SURNAMES[n % len(_SURNAMES)] + _GIVEN_NAMES[n * 7 % len(_GIVEN_NAMES)]
        for n in range(1, members + 1)
    }


class _Dice:
    """Chances as whole numbers."""

    def __init__(self, source: random.Random) -> None:
        self._source = source

    def below(self, limit: int) -> int:
        return int(self._source.random() * limit)

    def between(self, low: int, high: int) -> int:
        return low + self.below(high - low + 1)

    def one_in(self, n: int) -> bool:
        return self.below(n) == 0

    def pick(self, choices: Sequence[_T]) -> _T:
        return choices[self.below(len(choices))]


class _Post:
    """Messages under way: each is delivered at its time, and those of one time in the order of their sending."""

    def __init__(self) -> None:
        self._queue: list[tuple[datetime, int, Event]] = []
        self._numbers = count()

    def send(self, event: Event, delivered_at: datetime | None = None) -> None:
        at = delivered_at or datetime.fromisoformat(event["occurred_at"])
        heapq.heappush(self._queue, (at, next(self._numbers), event))

    def deliveries(self) -> Iterator[tuple[datetime, Event]]:
        """Take messages out in order, also those that are sent meanwhile."""
        while self._queue:
            at, _, event = heapq.heappop(self._queue)
            yield at, event


# --- orders -----------------------------------------------------------------------------------------------------------


def _calendar() -> list[date]:
    """List the days of the year, each as often as it has custom: weekends more, festivals much more."""
    days = []
    for offset in range((LAST_ORDER_DAY - FIRST_DAY).days + 1):
        day = FIRST_DAY + timedelta(days=offset)
        weekend = day.isoweekday() > 5  # noqa: PLR2004 - Saturday is 6
        days += [day] * (_BUSY_DAYS.get((day.month, day.day), 0) + (6 if weekend else 4))
    return days


def _write_order(dice: _Dice, post: _Post, number: int, paid_at: datetime, members: int) -> None:
    """Send all the messages of one order: its payment, and what comes of it."""
    order: Event = {
        "type": "order.paid",
        "event_id": f"evt-{number:05d}-paid",
        "order_id": f"D{number:05d}",
        "customer_id": None if dice.one_in(25) else f"m-{_regular(dice, members):04d}",
        "occurred_at": paid_at.isoformat(),
        "currency": "CNY",
        **_with_total(_basket(dice, busy=(paid_at.month, paid_at.day) in _BUSY_DAYS)),
    }
    fates = (
        ["refunded"] * 9
        + ["cancelled"] * 2
        + ["amended"] * 2
        + ["refunded first"]
        + ["warranty"] * (4 if paid_at.month == 1 else 0)
    )
    fate = dict(enumerate(fates)).get(dice.below(100), "kept")
    is_late = dice.one_in(60) or fate == "refunded first" or (fate == "amended" and dice.one_in(3))
    _send(dice, post, order, paid_at + timedelta(minutes=dice.between(20 * 60, 220 * 60) if is_late else 0))
    if fate in ("refunded", "refunded first"):
        # A late payment takes a day to arrive, and its first refund only hours.
        _write_refunds(dice, post, order, paid_at, first_part_minutes_max=10 * 60 if is_late else 7 * 24 * 60)
    elif fate == "warranty":
        # Long after the points of the order have expired or been spent.
        _write_refunds(dice, post, order, paid_at + timedelta(days=400))
    elif fate == "cancelled":
        _write_cancellation(dice, post, order, paid_at)
    elif fate == "amended":
        _write_amendment(dice, post, order, paid_at)


def _regular(dice: _Dice, members: int) -> int:
    """Choose a member's number; the lower the number, the more often."""
    return 1 + dice.below(1 + dice.below(members))


def _basket(dice: _Dice, *, busy: bool) -> list[Line]:
    goods = [product for product in _GOODS for _ in range(product[4])]
    lines: list[Line] = []
    for _ in range(dice.pick((1, 1, 1, 2, 2, 3, 4))):
        sku, _, price, category, _ = dice.pick(goods)
        line: Line = {"sku": sku, "qty": dice.pick((1, 1, 1, 2, 2, 3)), "unit_price_minor": price, "category": category}
        if line["qty"] > 1 and dice.one_in(6):
            # The second cup at half price: quantity times price is not what is paid.
            line["line_total_minor"] = line["qty"] * price - price // 2
        lines.append(line)
    if dice.one_in(30):
        sku, price = dice.pick(_GIFT_CARDS)
        lines.append({"sku": sku, "qty": 1, "unit_price_minor": price, "kind": "gift_voucher"})
    if dice.one_in(12):
        lines.append({"sku": dice.pick(_SAMPLES), "qty": 1, "unit_price_minor": 0, "kind": "sample"})
    worth = _sum_of(lines, "goods")
    if worth >= 3000 and dice.one_in(2 if busy else 6):  # noqa: PLR2004 - coupons start at 30 yuan
        coupon = min(worth // 5, dice.pick((500, 1000, 1234, 3000)))
        lines.append({"sku": "COUPON", "qty": 1, "unit_price_minor": coupon, "kind": "discount"})
    if dice.one_in(3):
        lines.append({"sku": "SHIPPING", "qty": 1, "unit_price_minor": dice.pick((0, 600, 1000)), "kind": "shipping"})
    return [{"n": n, **line} for n, line in enumerate(lines, start=1)]


def _with_total(lines: list[Line]) -> Event:
    charged = sum(_amount(line) for line in lines if line.get("kind") != "discount")
    return {"lines": lines, "total_minor": charged - _sum_of(lines, "discount")}


def _write_cancellation(dice: _Dice, post: _Post, order: Event, paid_at: datetime) -> None:
    cancelled_at = paid_at + timedelta(minutes=dice.between(3, 900))
    cancellation = {
        "type": "order.cancelled",
        "event_id": order["event_id"].replace("paid", "cancelled"),
        **{name: order[name] for name in ("order_id", "customer_id")},
        "occurred_at": cancelled_at.isoformat(),
        "currency": "CNY",
        "total_minor": order["total_minor"],
    }
    _send(dice, post, cancellation, cancelled_at)


def _write_amendment(dice: _Dice, post: _Post, order: Event, paid_at: datetime) -> None:
    """Change the basket on the day of payment."""
    amended_at = min(paid_at + timedelta(minutes=dice.between(5, 240)), _moment(paid_at.date(), 24 * 3600 - 60))
    amendment = {
        **order,
        "event_id": order["event_id"].replace("paid", "amended"),
        "occurred_at": amended_at.isoformat(),
        "revision": 1,
        **_with_total(_basket(dice, busy=False)),
    }
    _send(dice, post, amendment, amended_at)


# --- refunds ----------------------------------------------------------------------------------------------------------


def _write_refunds(
    dice: _Dice, post: _Post, order: Event, after: datetime, first_part_minutes_max: int = 7 * 24 * 60
) -> None:
    """Give some or all of an order back, in one part or several."""
    has_coupon = _sum_of(order["lines"], "discount") > 0
    parts = _parts_by_amount(dice, order) if has_coupon else _parts_by_line(dice, order)
    at = after
    for n, part in enumerate(parts, start=1):
        at += timedelta(minutes=dice.between(5, first_part_minutes_max if n == 1 else 7 * 24 * 60))
        refund_id = f"{order['order_id'].replace('D', 'R')}-{n}"
        _send(dice, post, _refund(refund_id, order["order_id"], order["customer_id"], at, part), at)


def _refund(refund_id: str, order_id: str | None, customer_id: str | None, at: datetime, part: Event) -> Event:
    return {
        "type": "order.refunded",
        "event_id": f"evt-{refund_id}",
        "order_id": order_id,
        "refund_id": refund_id,
        "customer_id": customer_id,
        "occurred_at": at.isoformat(),
        "currency": "CNY",
        **part,
    }


def _parts_by_amount(dice: _Dice, order: Event) -> list[Event]:
    """Split money, for an order whose coupon makes the lines say more than was paid."""
    basis = _sum_of(order["lines"], "goods") - _sum_of(order["lines"], "discount")
    left = basis if dice.one_in(3) else dice.between(1, basis)
    parts = []
    for _ in range(dice.pick((0, 0, 1, 2))):
        amount = dice.between(0, left)
        left -= amount
        parts.append(amount)
    return [{"total_minor": amount} for amount in (*parts, left) if amount > 0]


def _parts_by_line(dice: _Dice, order: Event) -> list[Event]:
    """Split goods, piece by piece; a line with a price of its own goes back whole."""
    goods = [line for line in order["lines"] if line.get("kind", "goods") == "goods"]
    pieces = [line for line in goods for _ in range(1 if "line_total_minor" in line else line["qty"])]
    returned = pieces if dice.one_in(3) else pieces[dice.below(len(pieces)) :]
    number = dice.pick((1, 1, 2, 3, 4))
    shares = [share for share in (returned[start::number] for start in range(number)) if share]
    return [_lines_back(share) for share in shares]


def _lines_back(pieces: list[Line]) -> Event:
    lines = []
    for line in {piece["n"]: piece for piece in pieces}.values():
        back = {"sku": line["sku"], "qty": sum(piece["n"] == line["n"] for piece in pieces)}
        if "line_total_minor" in line:
            back.update(qty=line["qty"], line_total_minor=line["line_total_minor"])
        lines.append({**back, "unit_price_minor": line["unit_price_minor"], "orig_line": line["n"]})
    return {"lines": lines, "total_minor": sum(_amount(line) for line in lines)}


def _write_unmatched_refunds(dice: _Dice, post: _Post, orders: int, members: int) -> None:
    """Give money back at the counter, where nobody knows the order any more; one of every 80 orders is like that."""
    for n in range(1, 1 + max(1, orders // 80)):
        at = _moment(FIRST_DAY + timedelta(days=dice.between(20, 380)), dice.between(9 * 3600, 20 * 3600))
        sku, _, price, _, _ = dice.pick(_GOODS)
        lines = [{"sku": sku, "qty": 1, "unit_price_minor": price}]
        member = f"m-{_regular(dice, members):04d}"
        _send(dice, post, _refund(f"R-COUNTER-{n:03d}", None, member, at, _with_total(lines)), at)


# --- sweeps and redemptions -------------------------------------------------------------------------------------------


def _write_sweeps(post: _Post) -> None:
    """Send the schedules: around each month's end while nothing can be due, then day by day until all is expired."""
    for offset in range((LAST_SWEEP_DAY - FIRST_DAY).days + 1):
        day = FIRST_DAY + timedelta(days=offset)
        if day.year > FIRST_DAY.year or day.day >= 28 or day.day <= 2:  # noqa: PLR2004 - around the month's end
            post.send({"type": "sweep.expire", "occurred_at": _moment(day, 5 * 60).isoformat()})
            post.send({"type": "sweep.remind", "occurred_at": _moment(day, 10 * 3600).isoformat()})


def _deliver(dice: _Dice, post: _Post, members: list[str]) -> Iterator[Event]:
    """Hand the messages over, and let members spend as they see their points come and go."""
    customers = _Customers(dice, post, members)
    for at, event in post.deliveries():
        yield event
        if event["type"] == "order.paid":
            customers.see_payment(at, event)
        elif event["type"] == "order.refunded":
            customers.see_refund(event)
        elif event["type"] == "sweep.remind":
            customers.see_reminders(at)
        elif event["type"] == "redeem.requested" and dice.one_in(20):
            # An impatient finger. Right behind the first, so that there is one right answer whatever it was.
            yield event


@dataclass
class _Customers:
    """What members believe they have, by month of payment; a guess, only there to make them ask for likely amounts."""

    dice: _Dice
    post: _Post
    members: list[str]
    points: dict[tuple[str, int], int] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    requests: int = 0

    def see_payment(self, at: datetime, order: Event) -> None:
        """Count an order's points and, now and then, spend some of what there is, or try to spend what there is not."""
        member = order["customer_id"]
        if member is None or order["event_id"] in self.seen:
            return
        self.seen.add(order["event_id"])
        earned = (_sum_of(order["lines"], "goods") - _sum_of(order["lines"], "discount")) // 100
        key = (member, _month(order["occurred_at"]))
        self.points[key] = self.points.get(key, 0) + earned
        if self.dice.one_in(6):
            have = sum(self._lots(member, at).values())
            self._ask(at, member, have * 2 + 200 if self.dice.one_in(7) else self.dice.between(have // 4, have))

    def see_refund(self, refund: Event) -> None:
        """Forget points of the refund's month, about as many."""
        key = (refund["customer_id"], _month(refund["occurred_at"]))
        if key in self.points:
            self.points[key] = max(0, self.points[key] - refund["total_minor"] // 100 - 1)

    def see_reminders(self, at: datetime) -> None:
        """Let a few of those whose points are in their last month come and spend them."""
        for member in self.members:
            last_month = self.points.get((member, _month(at.isoformat()) - 12), 0)
            if last_month and self.dice.one_in(90):
                self._ask(at, member, self.dice.between(1 + last_month // 2, last_month))

    def _ask(self, at: datetime, member: str, points: int) -> None:
        if points < 1:
            return
        self.requests += 1
        asked_at = at + timedelta(minutes=self.dice.between(2, 9 * 60))
        request = {
            "type": "redeem.requested",
            "request_id": f"redeem-{self.requests:04d}",
            "customer_id": member,
            "points": points,
            "occurred_at": asked_at.isoformat(),
        }
        self.post.send(request)
        self._spend(at, member, points)

    def _lots(self, member: str, at: datetime) -> dict[tuple[str, int], int]:
        month = _month(at.isoformat())
        keys = ((member, age) for age in range(month - 12, month + 1))
        return {key: self.points[key] for key in keys if key in self.points}

    def _spend(self, at: datetime, member: str, points: int) -> None:
        lots = self._lots(member, at)
        if points > sum(lots.values()):
            return
        for key, left in lots.items():
            taken = min(left, points)
            self.points[key] -= taken
            points -= taken


# --- money, time and the post -----------------------------------------------------------------------------------------


def _amount(line: Line) -> int:
    amount: int = line.get("line_total_minor", line["qty"] * line["unit_price_minor"])
    return amount


def _sum_of(lines: list[Line], kind: str) -> int:
    return sum(_amount(line) for line in lines if line.get("kind", "goods") == kind)


def _moment(day: date, second: int) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=SHANGHAI) + timedelta(seconds=second)


def _month(instant: str) -> int:
    """Count months, so that a year is 12 of them."""
    return int(instant[:4]) * 12 + int(instant[5:7])


def _send(dice: _Dice, post: _Post, event: Event, delivered_at: datetime) -> None:
    """Send a message, one of twenty twice: the copy comes minutes or days later."""
    post.send(event, delivered_at)
    if dice.one_in(20):
        post.send(event, delivered_at + timedelta(minutes=dice.between(1, 3 * 24 * 60)))
