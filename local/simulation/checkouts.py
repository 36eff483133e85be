"""The department of the checkout: what limits the points of an order, and what becomes of them when it is given back.

Its steps are those of spending itself (:mod:`local.simulation.reference`). It brings their terms, callers who use
points on orders, before they are paid, after and when they were given back, and laws on rows alone: what went back of
an order's points, and what members used in a day.
"""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import date, datetime
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

from jifen.domain import facts
from jifen.domain import used_points as real
from jifen.domain.checkout import Basket
from jifen.domain.checkout import Item as Priced
from jifen.domain.ids import document_id, parse_document_id
from jifen.domain.money import Money
from jifen.domain.orders import LineKind, Paid
from local.audit import Violation
from local.simulation import passwords, used
from local.simulation.awarding import Order
from local.simulation.days import local_day
from local.simulation.department import Data, Department, Draft, Found, replaced
from local.simulation.happenings import Wish
from local.simulation.history import Authorize, Capture, Give, Redeem, Restore, Step, TakeBack, Void
from local.simulation.programs import chance
from local.simulation.table import Item, Key, said

if TYPE_CHECKING:
    from local.simulation.reference import Reference
    from local.simulation.world import World

USED_MAX = 4
"""So few redemptions and holds does an order of a run remember."""

# The terms -----------------------------------------------------------------------------------------------------------


def _terms(rng: random.Random, focus: str, currency: str | None) -> Data:
    found: Data = {}
    if chance(rng, 0.3):
        found |= {"expired_on_restore": "grace", "grace_days": rng.choice((0, 1, 3, 30))}
    if chance(rng, {"orders": 0.45}.get(focus, 0.15)):
        found |= _limits(rng, currency)
    return {"redemption": found} if found else {}


def _limits(rng: random.Random, currency: str | None) -> Data:
    found: Data = {}
    usual: list[tuple[str, float, Sequence[Any]]] = [
        ("min_points", 0.2, (2, 5, 10)),
        ("step_points", 0.3, (2, 5, 10)),
        ("max_order_share", 0.35, ("0.10", "0.30", "0.50", "0.70")),
        ("max_points_per_order", 0.45, (10, 20, 40)),
        ("max_points_per_day", 0.3, (20, 60, 150)),
        ("times_per_day", 0.25, (1, 2, 3)),
        ("needs_order", 0.1, (True,)),
    ]
    in_money: list[tuple[str, float, Sequence[Any]]] = [
        ("min_order_minor", 0.2, (1_000, 5_000)),
        ("min_discount_minor", 0.2, (100, 500)),
    ]
    for name, probability, values in usual + (in_money if currency else []):
        if chance(rng, probability):
            found[name] = rng.choice(values)
    if currency and chance(rng, 0.6):
        found["worth"] = {"points": rng.choice((1, 1, 3, 10)), "minor": rng.choice((30, 100, 100))}
    elif chance(rng, 0.5):
        found["points_per_unit"] = rng.choice((1, 1, 2, 10))
    if chance(rng, 0.3):
        lines: list[Data] = [{"categories": ["tea"], "max_share": rng.choice(("0", "0.25"))}]
        if currency:
            lines.append({"unit_price_from_minor": rng.choice((2_000, 5_000)), "max_share": "0.80"})
        found["lines"] = lines
    return found


# The story -----------------------------------------------------------------------------------------------------------

HELD = (3, 8, 15)
_USES = {"orders": (2, 7), "duel": (0, 1), "guesses": (1, 4)}


def _opening(draft: Draft) -> Sequence[Wish]:
    """Where a run is about orders, somebody's points are held for the first of them before it is paid.

    If there is one, it is not the buyer, whose account a refund of the order changes anyhow.
    """
    paid = draft.paid.get("o0")
    if draft.focus != "orders" or paid is None:
        return ()
    member = next((one for one in draft.members if one != paid.member), draft.members[0])
    password = passwords.right(member) if _asks(draft) else None
    keys = [(f"h{number}", points) for number, points in enumerate(HELD)]
    names = [(key, str(document_id("hd", member, key)), points) for key, points in keys]
    return [
        Wish(key, Authorize(member, name, points, "o0", 5 * 86_400, password=password)) for key, name, points in names
    ]


def _clients(draft: Draft) -> Mapping[str, Sequence[Wish]]:
    """Callers who use points on orders of the story, and settle what they hold."""
    rng = draft.rng
    found: list[list[Wish]] = [[], [], []]
    for held in _opening(draft):
        assert isinstance(held.step, Authorize)
        step = rng.choice(
            (Capture(held.step.id, _part(rng, held.step.points)), Capture(held.step.id), Void(held.step.id))
        )
        for clients in rng.sample(found, rng.choice((0, 1, 1, 2))):
            clients.append(Wish(f"{held.key}-end", step))
    for number in range(rng.randrange(*_USES.get(draft.focus, (0, 2)))):
        wishes = _uses(draft, f"u{number}")
        rng.choice(found).extend(wishes)
        for wish in wishes:
            if chance(rng, 0.2):
                rng.choice(found).append(wish)
    return {f"till {number}": wishes for number, wishes in enumerate(found) if wishes}


def _uses(draft: Draft, key: str) -> list[Wish]:
    rng = draft.rng
    ids = sorted(draft.paid)
    few = [*ids[:1] * 4, *ids[:2]] if draft.focus == "orders" else ids
    order_id = rng.choice((*few, f"c{rng.randrange(2)}"))
    paid = draft.paid.get(order_id)
    buyer = paid.member if paid and paid.member else rng.choice(draft.members)
    member = rng.choice((buyer, buyer, buyer, buyer, rng.choice(draft.members)))
    points = rng.choice((rng.randrange(1, 20), rng.randrange(1, 20), rng.randrange(1, 120)))
    # Only the buyer's own redemptions move the buyer's account: of others' an order knows later what became of them.
    up_to = member == buyer and chance(rng, 0.35)
    total, basket = _bill(rng, paid)
    order = None if chance(rng, 0.1) else order_id
    if chance(rng, 0.4):
        name = str(document_id("rd", member, key))
        first: Step = Redeem(member, name, points, order, total, basket, up_to)
        after: list[Step] = [Restore(name, _part(rng, points))] if chance(rng, 0.3) else []
    else:
        name = str(document_id("hd", member, key))
        seconds = rng.choice((None, 30, 3_600, 86_400, 5 * 86_400, 5 * 86_400))
        first = Authorize(member, name, points, order, seconds, total, basket, up_to)
        ends: list[Step] = [rng.choice((Capture(name, _part(rng, points)), Capture(name), Void(name)))]
        after = ends * rng.choice((0, 1, 1, 2))
        if after and chance(rng, 0.2):
            after.append(Restore(name, _part(rng, points)))
    first = passwords.with_password(rng, first, draft.focus) if _asks(draft) else first
    return [Wish(key, first), *(Wish(f"{key}-{place}", step) for place, step in enumerate(after))]


def _asks(draft: Draft) -> bool:
    return draft.program.security.password_above is not None


def _part(rng: random.Random, points: int) -> int | None:
    return rng.choice((None, None, rng.randrange(1, points + 1)))


def _bill(rng: random.Random, paid: Paid | None) -> tuple[Money | None, Basket | None]:
    """The order as a caller names it: not at all, by its total, by its lines, or both."""
    if paid is None:
        return rng.choice((None, Money(rng.randrange(500, 9_000), "CNY"))), None
    goods = sum(line.amount_minor for line in paid.lines if line.kind is LineKind.GOODS)
    total = Money(rng.choice((goods, max(0, goods - 500))), rng.choice((*(paid.currency,) * 9, "JPY")))
    basket = Basket(
        paid.currency, tuple(Priced(line, Fraction(line.amount_minor, rng.choice((1, 2)))) for line in paid.lines)
    )
    return rng.choice(((None, None), (total, None), (total, None), (None, basket), (total, basket)))


# The real thing ------------------------------------------------------------------------------------------------------


def _patches(_world: World) -> Sequence[AbstractContextManager[None]]:
    return [replaced(real, "USED_MAX", USED_MAX), replaced(used, "USED_MAX", USED_MAX)]


# The laws ------------------------------------------------------------------------------------------------------------


def _written(reference: Reference, key: Key, item: Item) -> Found:
    """Redemptions, holds and what orders know of them, as the reference has them."""
    pk, sk = key
    kind, _, digest = sk.partition("#")
    if kind in {"R", "H"}:
        member = pk.removeprefix("M#")
        name = str(document_id("rd" if kind == "R" else "hd", member, "")).rsplit(".", 1)[0] + f".{digest}"
        known = reference.spent(name)
        restored = int(item["restored"]["N"]) if "restored" in item else 0
        status = item["status"]["S"] if "status" in item else ""
        spent = sum(row[0] for row in json.loads(item["spent"]["S"])) if "spent" in item else 0
        row = (status, spent, restored)
        there = known and (known.status, known.spent, known.restored)
        if row != there:
            yield Violation("refinement", name, f"{row}; the reference has {there}")
    elif kind == "O":
        shop, _, order_id = pk.removeprefix("O#").partition("#")
        order = reference.order(shop, order_id)
        names = json.loads(item["used"]["S"]) if "used" in item else []
        if order is None or list(order.used) != names:
            yield Violation("refinement", pk, f"{names} are used on it; reference {order and order.used}")


def _order_of(key: Key, item: Item) -> Order:
    """An order's facts from its row."""
    paid = facts.paid_in(said(item["paid"])) if "paid" in item else None
    refunds = [facts.refund_in(row) for row in (said(item["refunds"]) if "refunds" in item else ())]
    return Order(
        key[0],
        paid,
        {refund.refund_id: refund for refund in refunds},
        cancelled=bool(item.get("cancelled", {}).get("BOOL")),
        used=tuple(json.loads(item["used"]["S"])) if "used" in item else (),
    )


def _row_of(name: str) -> Key:
    """Where a redemption or hold is kept."""
    found = parse_document_id(name)
    assert found is not None
    return f"M#{found.member}", f"{'R' if found.prefix == 'rd' else 'H'}#{found.digest}"


class _Document(NamedTuple):
    """A redemption or hold by its row."""

    points: int
    spent: int
    restored: int
    status: str
    until: datetime | None

    def pays(self, now: datetime) -> int:
        """Points that pay a part of an order by it."""
        if self.status == "AUTHORIZED":
            return self.points if self.until is not None and now < self.until else 0
        return self.spent - self.restored


def _document(item: Item) -> _Document:
    spent = sum(row[0] for row in json.loads(item["spent"]["S"])) if "spent" in item else 0
    return _Document(
        int(item["points"]["N"]) if "points" in item else spent,
        spent,
        int(item["restored"]["N"]) if "restored" in item else 0,
        item["status"]["S"] if "status" in item else "",
        datetime.fromisoformat(item["expires_at"]["S"]) if "expires_at" in item else None,
    )


def _judge(world: World) -> Found:
    walk = _Walk(world)
    for commit in world.network.committed:
        puts = world.table.commits[commit.number - 1].puts
        yield from walk.step(puts, commit.doing.step, commit.doing.now, commit.number)


class _Walk:
    """The rows as far as the commits have come, and what members used, by limit and stretch of the calendar."""

    def __init__(self, world: World) -> None:
        self._world, self._program = world, world.story.program
        self._orders: dict[Key, Order] = {}
        self._documents: dict[Key, _Document] = {}
        self._held: dict[str, set[str]] = {}
        self._used: dict[tuple[str, str, str], int] = defaultdict(int)
        self._gifts: dict[str, tuple[Give, date]] = {}

    def step(self, puts: Mapping[Key, Item], step: Step | None, now: datetime | None, number: int) -> Found:
        """One commit."""
        new = [key for key in puts if key[1][:2] in {"R#", "H#"} and key not in self._documents]
        for key, item in puts.items():
            if key[1] == "O":
                self._orders[key] = _order_of(key, item)
            elif key[1][:2] in {"R#", "H#"}:
                self._documents[key] = _document(item)
            elif key[1] == "A":
                self._held[key[0]] = {row[0] for row in json.loads(item["holds"]["S"])} if "holds" in item else set()
        subject = f"commit {number}"
        for key in new:
            yield from self._tied(key, puts, subject)
        for key, order in self._orders.items():
            if key in puts or any(_row_of(name) in puts for name in order.used):
                yield from self._given_back(order, subject)
                if isinstance(step, (Redeem, Authorize)) and now is not None:
                    yield from self._of_order(order, now, subject)
        if now is not None:
            yield from self._limits(step, now, number, subject)

    def _tied(self, key: Key, puts: Mapping[Key, Item], subject: str) -> Found:
        """What is used on an order is written into it at once, and an order that was given back takes nothing."""
        item = puts[key]
        if "order_id" not in item:
            return
        order = self._orders.get((f"O#standard#{item['order_id']['S']}", "O"))
        if order is None or not any(_row_of(name) == key for name in order.used):
            yield Violation("points of an order", subject, f"{key} is not known to its order")
        elif used.part_given_back(order) == 1:
            yield Violation("points of an order", subject, f"{key} is used on an order that was given back")

    def _given_back(self, order: Order, subject: str) -> Found:
        for name in order.used:
            key = _row_of(name)
            found = self._documents[key]
            least = used.due(order, found.spent)
            if not least <= found.restored <= found.spent:
                yield Violation("given back", subject, f"{name}: {found}, of which {least} are due back at least")
            if order.cancelled and found.status == "AUTHORIZED" and name in self._held.get(key[0], ()):
                yield Violation("given back", subject, f"{name} is still held for an order that was cancelled")

    def _of_order(self, order: Order, now: datetime, subject: str) -> Found:
        most = self._program.redemption.max_points_per_order
        pays = sum(self._documents[_row_of(name)].pays(now) for name in order.used)
        if most is not None and pays > most:
            yield Violation("points of an order", subject, f"{pays} points pay a part of {order.name}, at most {most}")

    def _limits(self, step: Step | None, now: datetime, number: int, subject: str) -> Found:
        day, terms = local_day(now, self._program.zone), self._program.redemption
        used: list[tuple[str, str, str, int, int | None]] = []
        if isinstance(step, (Redeem, Authorize)):
            points = passwords.points_of(self._world, step, number)
            used = [
                ("times", step.member, f"{day}", 1, terms.times_per_day),
                ("points", step.member, f"{day}", points, terms.max_points_per_day),
            ]
        if isinstance(step, Give):
            self._gifts[step.id] = step, day
            used = self._of_gift(step, day, 1)
        if isinstance(step, TakeBack) and step.transfer_id in self._gifts:
            used = self._of_gift(*self._gifts[step.transfer_id], -1)
        for what, member, name, by, most in used:
            self._used[what, member, name] += by
            if most is not None and by > 0 and self._used[what, member, name] > most:
                yield Violation("day limits", subject, f"{self._used[what, member, name]} {what} of {member} in {name}")

    def _of_gift(self, step: Give, day: date, sign: int) -> list[tuple[str, str, str, int, int | None]]:
        terms, points = self._program.transfers, sign * step.points
        return [
            ("gifts", step.member, f"{day}", sign, terms.times_per_day),
            ("given", step.member, f"{day}", points, terms.points_per_day),
            ("given", step.member, f"{day:%Y-%m}", points, terms.points_per_month),
            ("received", step.to, f"{day}", points, terms.received_per_day),
        ]


# What was met --------------------------------------------------------------------------------------------------------


def _of_order_row(item: Item) -> Iterator[str]:
    names = json.loads(item["used"]["S"]) if "used" in item else []
    if names and "paid" in item:
        yield "points were used on an order that was paid"
    if names and item.get("cancelled", {}).get("BOOL"):
        yield "points were used on an order that was cancelled"


def _of_entry(item: Item) -> Iterator[str]:
    if item["kind"]["S"] == "restore" and "debt" in item and item["debt"]["N"] != "0":
        yield "points that went back paid a debt"


def _of_account(item: Item) -> Iterator[str]:
    counters = (said(item["standing"]) if "standing" in item else {}).get("used", {})
    for what in ("checkout", "transfer", "received", "spent"):
        if any(key.startswith(f"@{what}/") for key in counters):
            yield f"a limit on {what} was counted"


DEPARTMENT = Department(
    name="checkout",
    terms=_terms,
    opening=_opening,
    clients=_clients,
    patches=_patches,
    written=_written,
    laws={
        "given back": "at no commit has less gone back of the points of an order than floor(spent x the part of it "
        "that was given back), or more than was spent, or is a hold open for an order that was cancelled",
        "points of an order": "what is used on an order is known to it from the same commit on, is no more than the "
        "program allows, and nothing is used once all of the order was given back",
        "day limits": "at no commit has a member used, given or received more in a stretch of the calendar than the "
        "program allows, by what was committed and not by what was counted",
    },
    judge=_judge,
    reachable=(
        "entry restore ORDER_REFUNDED",
        "entry restore ORDER_CANCELLED",
        "entry release ORDER_CANCELLED",
        "refused: ORDER_CANCELLED",
        "points were used on an order that was paid",
        "points were used on an order that was cancelled",
        "points that went back paid a debt",
        "a capture lost a race against its order",
        "a limit on checkout was counted",
        "a limit on transfer was counted",
        "a limit on received was counted",
        "a limit on spent was counted",
        *(
            f"limit reached: {name}"
            for name in (
                "needs_order",
                "min_order_minor",
                "max_points_per_order",
                "max_order_share",
                "step_points",
                "min_points",
                "min_discount_minor",
                "times_per_day",
                "max_points_per_day",
                "redemptions_of_one_order",
                "transfer_min_points",
                "transfer_max_points",
                "transfer_points_per_day",
                "transfer_points_per_month",
                "transfer_times_per_day",
                "transfer_received_per_day",
            )
        ),
    ),
    visited={"O": _of_order_row, "E": _of_entry, "A": _of_account},
)
