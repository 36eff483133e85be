"""The ledger and the reference side by side, and somebody who plays with both.

Command ──Player──> Step ──Pair──> the real use cases, over the in-memory ledger    ┐
                              └──> the reference                                    ┴─> compared
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime, timedelta
from fractions import Fraction
from random import Random
from typing import Any, NamedTuple

import pytest
from hypothesis import strategies as st

from jifen.domain.checkout import Basket, Item
from jifen.domain.errors import Refusal
from jifen.domain.ids import document_id, parse_document_id
from jifen.domain.money import Money
from jifen.domain.orders import EventType, Line, LineKind, OrderEvent, Paid, Refund, RefundLine
from jifen.domain.program import ClawbackPolicy, Program, Rounding, parse_program
from jifen.domain.spending import Hold, Redemption
from jifen.service.answering import Once
from jifen.service.behaving import Behaving
from jifen.service.earning import earn
from jifen.service.expiring import expire
from jifen.service.ports import OrderKey
from jifen.service.reading import lots_view, member_view
from jifen.service.reminding import Reminding
from jifen.service.spending import Paying, Spending
from jifen.service.spent_documents import document_key
from jifen.service.transferring import Transferring
from jifen.store.codec import standing_out
from local.simulation import programs
from local.simulation.history import (
    Authorize,
    Capture,
    Claim,
    Expire,
    Facts,
    Give,
    Happen,
    Redeem,
    Restore,
    Step,
    TakeBack,
    Void,
    refused,
)
from local.simulation.reference import Reference, Stored
from tests.store.memory_ledger import MemoryLedger
from tests.store.patient import Patient

MEMBERS = ("m1", "m2")
CATEGORIES = ("tea", "tea", "cake", None)
HOLDS_MAX, RECEIPTS_MAX, REFUNDS_MAX, USED_MAX = 3, 3, 4, 3
ORDERS = 5
"""Orders that events are about at a time; after ``EVENTS`` of them come others."""
EVENTS = 20


@contextmanager
def small_limits(lots_max: int) -> Iterator[None]:
    """Limits that a short history reaches, in the ledger and in the reference."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("jifen.domain.lots.LOTS_MAX", lots_max)
        patch.setattr("jifen.domain.transfers.LOTS_MAX", lots_max)
        patch.setattr("jifen.domain.spending.HOLDS_MAX", HOLDS_MAX)
        patch.setattr("jifen.domain.spending.RECEIPTS_MAX", RECEIPTS_MAX)
        patch.setattr("local.simulation.reference.RECEIPTS_MAX", RECEIPTS_MAX)
        patch.setattr("jifen.domain.used_points.USED_MAX", USED_MAX)
        patch.setattr("local.simulation.used.USED_MAX", USED_MAX)
        patch.setattr("jifen.domain.orders.REFUNDS_MAX", REFUNDS_MAX)
        patch.setattr("local.simulation.awarding.REFUNDS_MAX", REFUNDS_MAX)
        yield


class _Silent:
    """A channel that takes every reminder."""

    channel = "event"

    def reaches(self, _contact: object) -> bool:
        """See :class:`jifen.service.ports.Notifier`."""
        return True

    def send(self, _notice: object) -> None:
        """Take it."""


class Pair:
    """The ledger and the reference under one program, given the same steps."""

    def __init__(
        self, program: Program, lots_max: int = 120, holds_max: int = 20, ledger: MemoryLedger | None = None
    ) -> None:
        self.program = program
        self.ledger = ledger or MemoryLedger(program)
        self.reference = Reference(program, lots_max=lots_max, holds_max=holds_max)
        self.members: set[str] = set(MEMBERS)
        self.orders: set[tuple[str, str]] = set()
        self.redemptions: list[str] = []
        self.holds: list[str] = []
        self._keys = 0

    def key(self) -> str:
        """A fresh idempotency key."""
        self._keys += 1
        return f"k{self._keys}"

    def step(self, step: Step, now: datetime, key: str = "") -> Any:
        """Do it on both sides, and hold everything that can be seen against each other; the answer."""
        actual = self._really(step, now, key or self.key())
        expected = self.reference.apply(step, now)
        assert expected == actual, step
        self.compare(now)
        return actual

    def claim(self, member: str, now: datetime) -> None:
        """A run of the reminder worker; it is a step when the worker had something to claim."""
        before = self.ledger.load([member]).accounts[member].version
        moment = self.program.moment(now)
        worker = Reminding(self.ledger, [_Silent()], self.program, moment, Patient(), "w", lambda *_: None)
        if worker.remind(member):
            wrote = self.ledger.load([member]).accounts[member].version > before
            assert self.reference.apply(Claim(member), now) == wrote
        self.compare(now)

    def compare(self, now: datetime) -> None:
        """Hold views, lots, stored figures and grants against each other."""
        moment = self.program.moment(now)
        for member in self.members:
            account = self.ledger.load([member]).accounts[member]
            seen = dict(member_view(account, self.program, moment))
            del seen["version"], seen["tier"]
            assert self.reference.view(member, now) == seen
            assert self.reference.lots(member, now) == lots_view(account, moment)["lots"]
            assert self.reference.stored(member) == Stored.of(account, standing_out(account.standing))
        for shop, order_id in self.orders:
            key = OrderKey(shop, order_id)
            order: Any = self.ledger.load([], [key]).documents.get(key)
            granted = order.award.granted if order and order.award else 0
            assert self.reference.granted(shop, order_id) == granted
            known = self.reference.order(shop, order_id)
            assert (order.used if order else ()) == (known.used if known else ())
        for name in (*self.redemptions, *self.holds):
            spent = self.reference.spent(name)
            assert spent is None or self._found(name) == (spent.status, spent.spent, spent.restored)

    def _found(self, name: str) -> tuple[str, int, int]:
        """A redemption or hold as the ledger has it."""
        found = parse_document_id(name)
        assert found is not None
        (document,) = self.ledger.load([], [document_key(found)]).documents.values()
        assert isinstance(document, Redemption | Hold)
        status = str(document.status) if isinstance(document, Hold) else ""
        return status, sum(lot.points for lot in document.spent), document.restored

    def _really(self, step: Step, now: datetime, key: str) -> Any:
        moment = self.program.moment(now)
        try:
            match step:
                case Facts(events):
                    self._meet(events)
                    outcomes = earn(self.ledger, self.program, events, moment, Patient())
                    return tuple(outcome.points for outcome in outcomes)
                case Expire(member):
                    return expire(self.ledger, member, moment, Patient(), self.program)
                case Happen(event):
                    answer = dict(
                        Behaving(self.ledger, self.program, moment, Patient(), "shop", "shop", key).take(event)
                    )
                    return {name: value for name, value in answer.items() if name not in {"why", "decided_by"}}
                case Give() | TakeBack():
                    return self._give(
                        step, Transferring(self.ledger, self.program, moment, Patient(), "shop", "shop", key)
                    )
                case Redeem() | Authorize() | Capture() | Void() | Restore():
                    return self._spend(step, Spending(self.ledger, self.program, moment, Patient(), key, "shop"))
                case _:
                    raise AssertionError(step)
        except Refusal as refusal:
            return refused(step, refusal.code, refusal.facts())

    def _give(self, step: Give | TakeBack, desk: Transferring) -> Any:
        if isinstance(step, TakeBack):
            return desk.cancel(step.transfer_id)
        self.members.add(step.to)
        return desk.send(step.member, step.to, step.points)

    def _spend(self, step: Redeem | Authorize | Capture | Void | Restore, desk: Spending) -> Any:
        match step:
            case Redeem(member, _, points, order_id, total, basket, up_to):
                self._use(order_id)
                return desk.redeem(member, points, order_id, total, paying=Paying(basket, up_to))
            case Authorize(member, _, points, order_id, seconds, total, basket, up_to):
                self._use(order_id)
                paying = Paying(basket, up_to)
                return desk.authorize(member, points, order_id, seconds, order_total=total, paying=paying)
            case Capture(hold_id, part):
                return desk.capture(hold_id, part)
            case Void(hold_id):
                return desk.void(hold_id)
            case Restore(document, part):
                return desk.restore(document, part)

    def _use(self, order_id: str | None) -> None:
        if order_id is not None:
            self.orders.add(("standard", order_id))

    def _meet(self, events: Sequence[OrderEvent]) -> None:
        for event in events:
            if event.order_id is not None:
                self.orders.add((event.shop, event.order_id))
            if event.paid and event.paid.member:
                self.members.add(event.paid.member)


# Random histories ----------------------------------------------------------------------------------------------------


class Command(NamedTuple):
    """What somebody tries: ``a`` to ``d`` are read as members, orders, shares and kinds, whatever ``what`` needs."""

    what: str
    wait: timedelta
    a: int
    b: int
    c: int
    d: int


WAITS = (
    *(timedelta(0),) * 8,
    *(timedelta(seconds=1),) * 8,
    timedelta(seconds=-1),
    *(timedelta(minutes=15),) * 6,
    timedelta(minutes=-40),
    *(timedelta(hours=1),) * 4,
    timedelta(hours=-3),
    timedelta(hours=9, minutes=29),
    *(timedelta(days=1),) * 4,
    timedelta(days=27),
    timedelta(days=66),
)
KINDS = (*("paid",) * 6, *("refund",) * 4, "cancel", "batch")
SPENDS = (*("redeem",) * 3, *("hold",) * 3, "capture", "void", "restore", "again", "give", "give", "back")
COMMANDS = st.builds(
    Command,
    st.sampled_from((*KINDS, *SPENDS, "expire", "claim")),
    st.sampled_from(WAITS),
    st.integers(0, 59),
    st.integers(0, 59),
    st.integers(0, 59),
    st.integers(0, 59),
)
ZONES = ("UTC", "Asia/Shanghai", "Europe/London", "America/Sao_Paulo", "America/St_Johns", "Pacific/Apia")
STARTS = (
    "2026-01-31T15:59:58+00:00",
    "2024-02-28T23:59:59+00:00",
    "2026-03-29T00:59:00+00:00",
    "2018-11-03T20:00:00+00:00",
    "2010-11-06T20:00:00+00:00",
    "2011-12-29T20:00:00+00:00",
    "2026-10-25T00:30:00+00:00",
)
EXPIRIES: tuple[dict[str, object], ...] = (
    {"policy": "never"},
    {"policy": "days", "days": 1},
    {"policy": "days", "days": 3},
    {"policy": "days", "days": 40},
    {"policy": "days", "days": 400},
    {"policy": "days", "days": 800},
    {"policy": "days", "days": 20, "round_up_to": "quarter_end"},
    {"policy": "months", "months": 1},
    {"policy": "months", "months": 2, "round_up_to": "none"},
    {"policy": "months", "months": 13, "round_up_to": "year_end"},
    {"policy": "fixed_date", "month_day": "02-29", "years": 0},
)
REDEMPTIONS: tuple[dict[str, object], ...] = (
    {},
    {"points_per_unit": 7, "max_order_share": "0.30"},
    {"max_points_per_order": 40, "max_order_share": "1"},
    {"expired_on_restore": "grace", "grace_days": 0},
    {"expired_on_restore": "grace", "grace_days": 9, "max_points_per_day": 60},
    {"times_per_day": 2, "step_points": 3, "min_points": 7},
    {"points_per_unit": 1, "lines": [{"categories": ["tea"], "max_share": "0.1"}], "max_order_share": "0.5"},
    {"needs_order": True, "step_points": 5, "max_points_per_order": 90, "max_points_per_day": 120},
)
RULES = st.lists(
    st.builds(
        lambda points, per_minor, rounding: {"rate": {"points": points, "per_minor": per_minor}, "rounding": rounding},
        st.integers(0, 9),
        st.sampled_from([7, 30, 100]),
        st.sampled_from([str(rounding) for rounding in Rounding]),
    ),
    max_size=2,
).map(lambda rules: [{"id": f"rule-{number}", **rule} for number, rule in enumerate((*rules, {"rate": {}}))])
TRANSFERS: tuple[dict[str, object], ...] = (
    {},
    {"cooling_days": 1},
    {"cooling_days": 2, "points_per_day": 60, "times_per_day": 2},
    {"cooling_days": 40, "points_per_month": 90, "received_per_day": 70},
    {"known_only": True, "min_points": 3, "max_points": 50},
    {"enabled": False},
)
ASKS = {
    "id": "loyal",
    "starts_on": "2999-01-01",
    "when": {"spent": {"months": 1, "each_minor": 1}},
    "extend": {"months": 1},
}
COUNTING: tuple[dict[str, Any], ...] = ({}, {"policies": [ASKS]})
"""A policy that is never done asks for what was spent."""

PROGRAMS = st.builds(
    lambda zone, currency, expiry, policy, terms, transfers, rules, validity: parse_program(
        {
            "time_zone": zone,
            "currency": currency,
            "expiry": expiry,
            "clawback": policy,
            "redemption": terms,
            "transfers": transfers,
            "earning": {"rules": rules},
            "holds": {"expires_in_s": 3_600, "max_expires_in_s": 40 * 86_400},
            "reminders": {"lead_days": [7, 1]},
            "validity": validity,
        }
    ),
    st.sampled_from(ZONES),
    st.sampled_from([None, "CNY", "JPY", "KWD"]),
    st.sampled_from(EXPIRIES),
    st.sampled_from([str(policy) for policy in ClawbackPolicy]),
    st.sampled_from(REDEMPTIONS),
    st.sampled_from(TRANSFERS),
    RULES,
    st.sampled_from(COUNTING),
)
RULED = st.builds(
    lambda seed, zone, expiry, policy: parse_program(
        programs.ruled(Random(seed), date(2026, 3, 1), friends=seed % 3 == 0)
        | {"time_zone": zone, "expiry": expiry, "clawback": policy, "reminders": {"lead_days": [7, 1]}}
        | {"validity": COUNTING[seed % 2]}
    ),
    st.integers(0, 100_000),
    st.sampled_from(ZONES),
    st.sampled_from(EXPIRIES),
    st.sampled_from([str(policy) for policy in ClawbackPolicy]),
)
"""Programs with earning rules of every kind."""
LINE_KINDS = (LineKind.GOODS, LineKind.GOODS, LineKind.GOODS, LineKind.DISCOUNT, LineKind.SHIPPING, LineKind.SAMPLE)


class Player:
    """Turns commands into steps that fit what has happened so far."""

    def __init__(self, pair: Pair, start: datetime) -> None:
        self.pair = pair
        self.now = start
        self.currency = pair.program.currency or "CNY"
        self.told: list[OrderEvent] = []
        self.asked: list[tuple[Redeem | Authorize, str]] = []
        self.given: list[str] = []

    def play(self, command: Command) -> None:
        """One command."""
        self.now += command.wait
        if command.what in KINDS:
            self.pair.step(Facts(self._events(command)), self.now)
        elif command.what == "expire":
            self.pair.step(Expire(MEMBERS[command.a % 2]), self.now)
        elif command.what == "claim":
            self.pair.claim(MEMBERS[command.a % 2], self.now)
        else:
            self._spend(command)

    def _events(self, command: Command) -> tuple[OrderEvent, ...]:
        _, _, a, b, c, d = command
        match command.what:
            case "paid":
                events = [self._paid(a, b, c, d)]
            case "refund":
                events = [self._refund(a, b, c, d)]
            case "cancel":
                at = self.now - timedelta(days=d)
                events = [OrderEvent(EventType.CANCELLED, f"c{a}", self._shop(a), self._order(a), None, at)]
            case _:
                known = self.told[b % len(self.told) :][: c % 3] if self.told else []
                events = [self._paid(a, b, c, d), *known, self._refund(a + d % 2, c, b, d), self._paid(b, c, a, d)]
        self.told += events
        return tuple(events)

    def _order(self, order: int) -> str:
        return f"o{order % ORDERS}.{len(self.told) // EVENTS}"

    @staticmethod
    def _shop(order: int) -> str:
        return "shopify" if order % ORDERS == 3 else "standard"

    def _paid(self, a: int, b: int, c: int, d: int) -> OrderEvent:
        owner = MEMBERS[a % ORDERS == 0]
        member = owner if b % 8 else ("m1", "m2", None)[c % 3]
        currency = "USD" if c % 20 == 19 else self.currency
        at = self.now - timedelta(hours=(0, 0, 0, 1, 13, 26, 100, 500, 9_000)[d % 9])
        lines = tuple(
            Line(
                number,
                f"sku-{number}",
                197 * (1 + (b * 7 + c * number + d) % 50),
                LINE_KINDS[(c + number * d) % 6],
                CATEGORIES[(b + c + number) % 4],
            )
            for number in range(1, 2 + c % 3)
        )
        paid = Paid(member, at, currency, lines, c % 5)
        return OrderEvent(EventType.PAID, f"p{a}", self._shop(a), self._order(a), member, at, paid=paid)

    def _refund(self, a: int, b: int, c: int, d: int) -> OrderEvent:
        currency = "USD" if c % 20 == 19 else self.currency
        at = self.now - timedelta(hours=d)
        lines = tuple(
            RefundLine(
                131 * (1 + (b + c * number) % 40),
                (None, None, LineKind.GOODS, LineKind.SHIPPING)[(b + number) % 4],
                (None, 1, 2, 3, 9)[(c + number) % 5],
            )
            for number in range(d % 3)
        )
        refund = Refund(f"r{b % 9}", at, currency, lines, (None, 155 * c, 700)[c % 3] if lines else 155 * c)
        order_id = None if d == 59 else self._order(a)
        return OrderEvent(EventType.REFUNDED, f"r{a}", self._shop(a), order_id, None, at, refund=refund)

    def _spend(self, command: Command) -> None:
        pair, (what, _, a, b, c, d) = self.pair, command
        key = pair.key()
        step: Step | None = None
        if what in ("redeem", "hold"):
            step = self._ask(what, a, b, c, d, key)
        elif what == "again" and self.asked:
            asked, key = self.asked[a % len(self.asked)]
            step = replace(asked, points=asked.points + (b % 5 == 0))
        elif what == "restore" and (known := [*pair.redemptions, *pair.holds]):
            step = Restore(known[a % len(known)], (None, b, 1 + b // 4)[c % 3])
        elif what == "give":
            step = self._gift(a, b, c, key)
        elif what == "back" and self.given:
            step = TakeBack(self.given[-1 - a % min(3, len(self.given))])
        elif what in ("capture", "void") and pair.holds:
            hold = pair.holds[-1 - a % min(4, len(pair.holds))]
            step = Capture(hold, (None, b, 1 + b // 4)[c % 3]) if what == "capture" else Void(hold)
        if step is not None:
            pair.step(step, self.now, key)

    def _gift(self, a: int, b: int, c: int, key: str) -> Give:
        member, to = (("m1", "m2"), ("m1", "m2"), ("m2", "m1"), ("m1", "m3"), ("m1", "m1"))[a % 5]
        available = self.pair.reference.view(member, self.now)["available"]
        points = max(1, available * (10, 30, 50, 100, 110)[b % 5] // 100)
        name = str(document_id("tr", member, Once.asked("shop", key, "").key))
        self.given.append(name)
        return Give(member, name, to, points if c % 2 else max(1, points % 20))

    def _ask(self, what: str, a: int, b: int, c: int, d: int, key: str) -> Redeem | Authorize:
        member = ("m1", "m1", "m1", "m2")[a % 4]
        available = self.pair.reference.view(member, self.now)["available"]
        points = max(1, available * (10, 30, 50, 70, 100, 100, 100, 110)[b % 8] // 100)
        order_id = (None, None, self._order(a), self._order(b), self._order(d % 2))[c % 5]
        total = Money(1_000 * d, (self.currency, self.currency, "XXX")[d % 3]) if c % 4 == 3 else None
        basket = None
        if b % 5 == 4:
            lines = self._paid(a, b, c, d).paid
            assert lines is not None
            basket = Basket(self.currency, tuple(Item(line, Fraction(line.amount_minor)) for line in lines.lines))
        step: Redeem | Authorize
        if what == "redeem":
            name = str(document_id("rd", member, key))
            step = Redeem(member, name, points, order_id, total, basket, d % 4 == 3)
            self.pair.redemptions.append(step.id)
        else:
            seconds = (None, 1, 86_400, 3 * 86_400, 30 * 86_400, 30 * 86_400, 41 * 86_400)[d % 7]
            name = str(document_id("hd", member, key))
            step = Authorize(member, name, points, order_id, seconds, total, basket, d % 4 == 3)
            self.pair.holds.append(step.id)
        self.asked.append((step, key))
        return step
