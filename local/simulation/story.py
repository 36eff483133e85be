"""What a run is about, drawn from its seed before anything happens: a program, orders, wishes, and the weather.

facts of orders ──copied, shuffled, bundled──> deliveries        the queue's consumers
wishes (redeem, hold, capture, void, restore) ─────────────────> checkouts, some of them asked for twice
wishes of the departments (points on orders, gifts, …) ────────> callers of their own
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from jifen.domain.ids import document_id
from jifen.domain.orders import EventType, Line, LineKind, OrderEvent, Paid, Refund, RefundLine
from jifen.domain.program import Program, parse_program
from local.simulation import happenings, programs
from local.simulation.days import local_day
from local.simulation.department import Department, Draft
from local.simulation.departments import DEPARTMENTS
from local.simulation.faults import FAULTS
from local.simulation.happenings import Wish
from local.simulation.history import Authorize, Capture, Redeem, Restore, Step, Void
from local.simulation.programs import chance

CURRENCY = "CNY"

FOCI = (
    *("all", "all", "duel", "duel", "dates", "dates", "reminders", "rules", "rules", "rules", "friends"),
    *("orders", "orders", "orders", "gifts", "gifts", "guesses"),
)
"""What a run is about: a bit of everything; many callers who ask for the same; orders whose dates move, and points that
are owed; reminders and channels that fail; rules of every kind and many orders that meet in their limits; members who
invited each other, and orders that become another's; points used on orders that are given back; points given to
friends; points passwords and who guesses at them."""

_PLACES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Asia/Shanghai", ("2026-01-31T14:30", "2024-02-28T15:00", "2026-06-30T15:55")),
    ("America/Sao_Paulo", ("2018-11-03T23:00", "2018-11-04T02:55")),  # midnight of 4 November did not exist
    ("America/St_Johns", ("2010-11-06T23:00", "2010-11-07T02:00")),  # midnight of 7 November came twice
    ("Europe/London", ("2011-03-26T20:00", "2011-10-29T20:00", "2011-12-31T23:00")),
    ("Pacific/Apia", ("2011-12-29T08:00",)),  # 30 December did not exist
    ("UTC", ("2026-03-31T23:50",)),
)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One queue message: the events of one order. ``late`` ones lie in the dead-letter queue until the very end."""

    id: str
    events: tuple[OrderEvent, ...]
    late: bool = False


@dataclass(frozen=True, slots=True)
class Story:
    """Everything that is decided beforehand.

    Attributes:
        focus: what the run is about, one of FOCI.
        opening: orders paid before anything else happens.
        deliveries: queue messages, copies among them, in the order in which they arrive.
        invites: who invited whom, before anything else happens but the first order.
        early: what else is asked for before the storm.
        clients: what each asks for, one after the other: checkouts, shops that tell what members did, operators.
        lull: after a batch of orders others go on for up to so many calls, and batches are small where it is not 0.
        sweeps: the scheduled runs.
        reads: how often somebody looks.
        channels: those that reminders go out on.
        rates: the probability of every fault.
        notice_trouble: the probability that a channel does not simply send.
        lots_max: more lots than this in one account are compacted.
        stay: the probability that a client goes on at a switch.
        leap: the probability that the clock leaps at one.
        pause_days: how long it takes until the dead-letter queues are looked at.
    """

    seed: int
    focus: str
    program: Program
    start: datetime
    members: tuple[str, ...]
    opening: tuple[Delivery, ...]
    deliveries: tuple[Delivery, ...]
    invites: tuple[Wish, ...]
    early: tuple[Wish, ...]
    clients: Mapping[str, tuple[Wish, ...]]
    lull: int
    sweeps: tuple[str, ...]
    reads: int
    channels: tuple[str, ...]
    rates: Mapping[str, float]
    notice_trouble: float
    lots_max: int
    stay: float
    leap: float
    pause_days: float


_MEMBERS = {"rules": (1, 2, 2, 3), "friends": (2, 2, 3), "orders": (1, 2, 2), "gifts": (2, 3, 3), "guesses": (1, 2)}


def story(seed: int) -> Story:
    """The story of a seed."""
    rng = random.Random(f"{seed}/story")
    zone, starts = rng.choice(_PLACES)
    start = datetime.fromisoformat(rng.choice(starts)).replace(tzinfo=UTC) + timedelta(seconds=rng.randrange(3_600))
    focus = rng.choice(FOCI)
    members = tuple(f"m{number}" for number in range(1, rng.choice(_MEMBERS.get(focus, (1, 1, 2, 3))) + 1))
    program = _program(rng, zone, local_day(start, ZoneInfo(zone)), focus, seed)
    opening = _opening(rng, members, start, focus)
    deliveries = _deliveries(rng, members, start, focus, opening)
    drafts = [
        (department, Draft(_drawing(seed, department), members, start, focus, program, _paid(deliveries)))
        for department in DEPARTMENTS
    ]
    return Story(
        seed=seed,
        focus=focus,
        program=program,
        start=start,
        members=members,
        opening=opening,
        deliveries=deliveries,
        invites=happenings.invites(rng, members, start, focus),
        early=tuple(wish for department, draft in drafts for wish in department.opening(draft)),
        clients={
            **{f"checkout {number}": wishes for number, wishes in enumerate(_checkouts(rng, members, focus))},
            **happenings.clients(rng, members, start, program),
            **{
                name: tuple(wishes)
                for department, draft in drafts
                for name, wishes in department.clients(draft).items()
            },
        },
        lull=rng.choice((6, 12)) if focus == "orders" else 0,
        sweeps=_sweeps(rng, focus),
        reads=rng.randrange(0, 7),
        channels=rng.choice((("event",), ("event", "email"))),
        rates=_rates(rng, focus),
        notice_trouble=0.4 if focus == "reminders" else rng.choice((0.0, 0.0, 0.3)),
        lots_max=rng.choice((120, 120, 2, 4)),
        stay=rng.choice((0.0, 0.3, 0.7, 0.9)),
        leap=rng.choice((0.0, 0.02, 0.08)),
        pause_days=rng.choice((0.01, 0.01, 3.0, 45.0)),
    )


def _drawing(seed: int, department: Department, what: str = "story") -> random.Random:
    """A department's own random numbers."""
    return random.Random(f"{seed}/{department.name}/{what}")


def paid_in_one_line(rng: random.Random, order_id: str, member: str, at: datetime) -> Delivery:
    """An order with one line of goods, as it is paid; only its price is drawn."""
    lines = (Line(1, "sku", rng.randrange(1_000, 9_000), LineKind.GOODS, None),)
    fact = Paid(member, at, CURRENCY, lines, 0)
    return Delivery(order_id, (OrderEvent(EventType.PAID, order_id, "standard", order_id, member, at, fact),))


def _paid(deliveries: Iterable[Delivery]) -> dict[str, Paid]:
    """Orders that the story is about, as they are paid first."""
    found: dict[str, Paid] = {}
    for event in (event for delivery in deliveries for event in delivery.events):
        if event.paid and event.order_id and event.paid.revision == 0:
            found[event.order_id] = event.paid
    return found


def _sweeps(rng: random.Random, focus: str) -> tuple[str, ...]:
    if focus == "reminders":
        return tuple(rng.choice(("expire", "remind", "remind", "remind")) for _ in range(rng.randrange(3, 8)))
    return tuple(rng.choice(("expire", "remind")) for _ in range(rng.randrange(0, 9)))


def _program(rng: random.Random, zone: str, today: date, focus: str, seed: int) -> Program:
    """The program file of the story, read as an operator's would be."""
    ruled = focus in {"rules", "friends"} or chance(rng, 0.3)
    data = programs.ruled(rng, today, friends=focus == "friends") if ruled else programs.bare(rng)
    short = {"policy": "days", "days": rng.choice((1, 2, 5)), "round_up_to": "none"}
    expiry = rng.choice(
        (
            short,
            {"policy": "days", "days": rng.choice((1, 2, 10, 31)), "round_up_to": "none"},
            {"policy": "days", "days": rng.choice((1, 5, 40)), "round_up_to": "month_end"},
            {"policy": "months", "months": 1},
            {"policy": "fixed_date", "month_day": rng.choice(("12-31", "02-29", "11-04"))},
            {"policy": "never"},
        )
    )
    data |= {
        "time_zone": zone,
        "expiry": short if focus in {"dates", "reminders"} else expiry,
        "clawback": rng.choice(("debt", "debt", "clamp", "negative")),
        "holds": {"expires_in_s": rng.choice((60, 900, 86_400))},
        "reminders": {"lead_days": list(rng.choice(((30, 7, 3), (3, 1), (1,))))},
    }
    if chance(rng, 0.5):
        data["currency"] = CURRENCY
    if focus == "reminders" and seed % 2:
        data["notices"] = {"balance_reached": [20, 60, 150], "once_a_day": False, "tries": 50}
    for department in DEPARTMENTS:
        data |= department.terms(_drawing(seed, department, "terms"), focus, data.get("currency"))
    return parse_program(data)


def _rates(rng: random.Random, focus: str) -> dict[str, float]:
    """A few kinds of trouble, each at a rate of its own; in some runs none, in some nearly all."""
    names = [name for faults in FAULTS.values() for name in faults]
    share = rng.choice((0.0, 0.2, 0.2, 0.4, 0.8))
    rates = {name: rng.choice((0.02, 0.05, 0.15)) * chance(rng, share) for name in names}
    return rates | {"read torn between two commits": 0.4} if focus == "duel" else rates


# Orders --------------------------------------------------------------------------------------------------------------


def _opening(rng: random.Random, members: tuple[str, ...], start: datetime, focus: str) -> tuple[Delivery, ...]:
    """Something to spend, for most members."""
    found: list[Delivery] = []
    for number in range(rng.choice(_PLENTY.get(focus, (0, 1, 2, 3))) * len(members)):
        buyer, order_id = members[number % len(members)], f"a{number}"
        back = (rng.randrange(21_600),) if focus == "dates" else (rng.randrange(86_400), rng.randrange(20 * 86_400))
        at = start - timedelta(seconds=rng.choice(back))
        paid = Paid(buyer, at, CURRENCY, _lines(rng, 500, 15_000)[:1], 0)
        event = OrderEvent(EventType.PAID, f"{order_id}-paid", "standard", order_id, buyer, at, paid)
        found.append(Delivery(order_id, (event,)))
    return tuple(found)


_ORDERS = {"duel": (0, 2), "rules": (3, 9), "friends": (3, 7), "orders": (1, 3), "gifts": (0, 3), "guesses": (0, 3)}
_PLENTY = {"dates": (2, 3), "orders": (1, 2, 3), "gifts": (1, 2, 2), "guesses": (1, 2)}


def _deliveries(
    rng: random.Random, members: tuple[str, ...], start: datetime, focus: str, opening: tuple[Delivery, ...]
) -> tuple[Delivery, ...]:
    found: list[Delivery] = []
    for delivery in opening:
        if chance(rng, {"dates": 0.7, "gifts": 0.4, "orders": 0.4}.get(focus, 0.1)):
            paid = delivery.events[0]
            event = OrderEvent(EventType.CANCELLED, f"{paid.order_id}-x", "standard", paid.order_id, paid.member, start)
            found.append(Delivery(f"{delivery.id}-x", (event,)))
    late = 0.25 if focus == "orders" else 0.1
    for number in range(rng.randrange(*_ORDERS.get(focus, (1, 7)))):
        facts = _facts(rng, f"o{number}", members, start, focus)
        bundles = _bundled(rng, facts)
        for place, bundle in enumerate(bundles):
            copies = range(rng.choice((1, 1, 1, 2, 3)))
            found += [Delivery(f"d{number}.{place}.{copy}", bundle, late=chance(rng, late)) for copy in copies]
    if chance(rng, 0.2):
        refund = _refund(rng, "lost", start)
        event = OrderEvent(EventType.REFUNDED, "lost", "standard", None, members[0], start, refund=refund)
        found += [Delivery("lost.0", (event,)), Delivery("lost.1", (event,))]
    rng.shuffle(found)
    return tuple(found)


def _facts(
    rng: random.Random, order_id: str, members: tuple[str, ...], start: datetime, focus: str
) -> list[OrderEvent]:
    at = start - timedelta(seconds=rng.choice((rng.randrange(7_200), rng.randrange(40 * 86_400))))
    buyer = rng.choice(members)
    paid = Paid(buyer, at, CURRENCY, _lines(rng), 0)
    if chance(rng, 0.3 if focus == "orders" else 0.05):
        line = Line(9, "points", rng.choice((rng.randrange(1, 200), rng.randrange(1, 9_000))), LineKind.POINTS)
        paid = replace(paid, lines=(*paid.lines, line))
    facts = [OrderEvent(EventType.PAID, f"{order_id}-paid", "standard", order_id, buyer, at, paid)]
    few = {"dates": (2, 3), "friends": (2, 3), "orders": (1, 1, 1, 1, 2)}
    for revision in range(1, rng.choice(few.get(focus, (1, 1, 1, 2, 3)))):
        later = at + timedelta(seconds=rng.choice((0, 3_600, 5 * 86_400, (start - at).total_seconds())))
        moved = () if focus == "dates" else (rng.choice(members), None)
        other: str | None = rng.choice((*(buyer,) * (1 if focus == "friends" else 3), *moved))
        lines = rng.choice((paid.lines, _lines(rng)))
        state = replace(paid, member=other, at=later, lines=lines, revision=revision)
        facts.append(OrderEvent(EventType.PAID, f"{order_id}-{revision}", "standard", order_id, other, later, state))
    for number in range(rng.choice((1, 2, 4, 6) if focus == "orders" else (0, 0, 1, 1, 2, 3))):
        refund = _refund(rng, f"{order_id}-r{number}", at, 1_500 if focus == "orders" else 9_000)
        name: str | None = rng.choice((buyer, None))
        facts.append(OrderEvent(EventType.REFUNDED, refund.refund_id, "standard", order_id, name, at, refund=refund))
    if chance(rng, 0.4 if focus == "orders" else 0.2):
        facts.append(OrderEvent(EventType.CANCELLED, f"{order_id}-x", "standard", order_id, buyer, at))
    return facts


def _lines(rng: random.Random, least: int = 1, most: int = 9_000) -> tuple[Line, ...]:
    kinds = (LineKind.GOODS, LineKind.GOODS, LineKind.GOODS, LineKind.DISCOUNT, LineKind.SHIPPING)
    return tuple(
        Line(
            number,
            f"sku-{number}",
            rng.randrange(least, most),
            rng.choice(kinds) if number > 1 else LineKind.GOODS,
            rng.choice(programs.CATEGORIES),
        )
        for number in range(1, rng.randrange(2, 5))
    )


def _refund(rng: random.Random, refund_id: str, at: datetime, most: int = 9_000) -> Refund:
    amount = rng.choice((rng.randrange(1, 400), rng.randrange(1, most)))
    lines = (RefundLine(amount, rng.choice((None, LineKind.GOODS)), rng.choice((None, 1, 2))),)
    currency = rng.choice((CURRENCY, CURRENCY, CURRENCY, CURRENCY, CURRENCY, "JPY"))
    return Refund(refund_id, at, currency, rng.choice((lines, ())), amount)


def _bundled(rng: random.Random, facts: list[OrderEvent]) -> list[tuple[OrderEvent, ...]]:
    """Facts in messages: one each, or, as some shops send them, all that is known so far."""
    shuffled = rng.sample(facts, len(facts))
    if chance(rng, 0.3):
        return [tuple(shuffled[: place + 1]) for place in range(len(shuffled))]
    return [(fact,) for fact in shuffled]


# Wishes --------------------------------------------------------------------------------------------------------------


def _checkouts(rng: random.Random, members: tuple[str, ...], focus: str) -> tuple[tuple[Wish, ...], ...]:
    """What each checkout asks for, one after the other.

    Now and then two of them ask for the same, or for something else under the same key.
    """
    wishes = [wish for number in range(rng.randrange(1, 8)) for wish in _wishes(rng, number, members)]
    if focus == "duel":
        return tuple(tuple(wishes) for _ in range(3))
    clients: list[list[Wish]] = [[] for _ in range(rng.choice((1, 2, 3)))]
    for wish in wishes:
        rng.choice(clients).append(wish)
        if chance(rng, 0.25):
            rng.choice(clients).append(wish)
        if isinstance(wish.step, Redeem) and chance(rng, 0.15):
            rng.choice(clients).append(Wish(wish.key, replace(wish.step, points=wish.step.points + 1)))
    return tuple(tuple(client) for client in clients if client)


def _wishes(rng: random.Random, number: int, members: tuple[str, ...]) -> list[Wish]:
    member, key = rng.choice(members), f"k{number}"
    points = rng.choice((rng.randrange(1, 20), rng.randrange(1, 150)))
    if chance(rng, 0.5):
        name = str(document_id("rd", member, key))
        first: Step = Redeem(member, name, points, order_id=rng.choice((None, f"c{number}")))
        after = [Restore(name, _part(rng, points)) for _ in range(rng.choice((0, 0, 1, 2)))]
        return [Wish(key, first), *(Wish(f"{key}-{place}", step) for place, step in enumerate(after))]
    name = str(document_id("hd", member, key))
    first = Authorize(member, name, points, expires_in_s=rng.choice((None, 30, 3_600, 2 * 86_400)))
    ends: list[Step] = [
        rng.choice((Capture(name, _part(rng, points)), Void(name))) for _ in range(rng.choice((0, 1, 2)))
    ]
    if ends and chance(rng, 0.3):
        ends.append(Restore(name, _part(rng, points)))
    return [Wish(key, first), *(Wish(f"{key}-{place}", step) for place, step in enumerate(ends))]


def _part(rng: random.Random, points: int) -> int | None:
    return rng.choice((None, None, rng.randrange(1, points + 1)))
