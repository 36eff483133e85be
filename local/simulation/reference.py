"""The second opinion: the whole ledger once more, as plainly as it can be written, from its contract.

It shares values with the real code (events, program, money) and not one decision: what an order is worth, which lot is
touched, when a day ends are worked out here again. Accounts are dictionaries, there is no concurrency, no entry and no
hash; operations are applied one after the other. Where it and the ledger disagree, one of them is wrong.

Rules are those of the contract ("What decides points") and, where that is silent, of ``docs/architecture.md``,
``docs/program.md`` and ``docs/decisions``. Nothing in the ledger makes points that become active later, so lots here
have a last valid day and nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from jifen.domain.money import CURRENCIES, Money
from jifen.domain.orders import EventType, LineKind, OrderEvent, Paid, Refund
from jifen.domain.program import ClawbackPolicy, Expiry, Program, Rounding
from local.simulation.history import (
    Answer,
    Authorize,
    Capture,
    Claim,
    Expire,
    Facts,
    Redeem,
    Refused,
    Restore,
    Step,
    Void,
)

if TYPE_CHECKING:
    from jifen.domain.account import Account

ORDER_POINTS_MAX = 10**12
REFUNDS_MAX = 2_000
RECEIPTS_MAX = 200

_FOREVER = date.max
_MICROSECOND = timedelta(microseconds=1)
_DAY = timedelta(days=1)

Lots = dict[date | None, int]
"""Points by last valid day; None is for ever. No lot is empty."""

Parts = list[tuple[date | None, int]]
"""Points by last valid day in an order that matters, all positive."""


@dataclass(frozen=True, slots=True)
class Stored:
    """An account as it was last written down: what time has done since is not in it."""

    lots: tuple[tuple[date | None, int], ...]
    debt: int
    holds: tuple[tuple[str, datetime, tuple[tuple[date | None, int], ...]], ...]
    lifetime: tuple[int, int, int, int]

    @staticmethod
    def of(account: Account) -> Stored:
        """The same figures of an account as the real ledger keeps it."""
        life = account.lifetime
        holds = sorted(
            (hold.hold_id, hold.expires_at, tuple((lot.expires_on, lot.points) for lot in hold.lots))
            for hold in account.holds
        )
        return Stored(
            lots=tuple((lot.expires_on, lot.points) for lot in account.lots),
            debt=account.debt,
            holds=tuple(holds),
            lifetime=(life.earned, life.redeemed, life.expired, life.clawed_back),
        )


@dataclass(slots=True)
class _Hold:
    """Points set aside in an account."""

    expires_at: datetime
    lots: Lots


@dataclass(slots=True)
class _Account:
    """A member's points. ``wrote`` says that time or a decision has changed something since it was copied."""

    lots: Lots = field(default_factory=dict)
    debt: int = 0
    holds: dict[str, _Hold] = field(default_factory=dict)
    earned: int = 0
    redeemed: int = 0
    expired: int = 0
    clawed_back: int = 0
    wrote: bool = False

    def copy(self) -> _Account:
        """An account of its own with the same points."""
        holds = {name: _Hold(hold.expires_at, dict(hold.lots)) for name, hold in self.holds.items()}
        return replace(self, lots=dict(self.lots), holds=holds, wrote=False)

    @property
    def held(self) -> int:
        """Points in open holds."""
        return sum(sum(hold.lots.values()) for hold in self.holds.values())

    def available(self, today: date) -> int:
        """Points that can be spent on ``today``."""
        return sum(points for day, points in self.lots.items() if not _past(day, today))

    def put(self, day: date | None, points: int) -> None:
        """Add to a lot."""
        if points:
            self.lots[day] = self.lots.get(day, 0) + points

    def pay_in(self, parts: Parts) -> None:
        """Pay the debt out of the soonest-expiring points, and put the rest into the lots."""
        for day, points in sorted(parts, key=_by_day):
            paid = min(self.debt, points)
            self.debt -= paid
            self.put(day, points - paid)


@dataclass(slots=True)
class _Order:
    """The facts of one order and what was granted for them."""

    paid: Paid | None = None
    refunds: dict[str, Refund] = field(default_factory=dict)
    cancelled: bool = False
    owner: str | None = None
    granted: int = 0
    day: date | None = None
    dated: datetime | None = None
    """The instant of payment that ``day`` was counted from."""
    lapsed: int = 0
    """How many of the granted points had lapsed already when they were granted."""
    forgiven: dict[str, int] = field(default_factory=dict)

    def copy(self) -> _Order:
        """An order of its own with the same facts."""
        return replace(self, refunds=dict(self.refunds), forgiven=dict(self.forgiven))


@dataclass(frozen=True, slots=True)
class _Spent:
    """A redemption, or a hold: the step that made it, what it answered, and what became of it."""

    step: Redeem | Authorize
    answer: Answer
    lots: Parts
    restored: int = 0
    receipts: int = 0
    status: str = ""
    expires_at: datetime | None = None


class _Refusal(Exception):
    """Nothing is changed; ``said`` is the answer."""

    def __init__(self, code: str, available: int | None = None) -> None:
        super().__init__(code)
        self.said = Refused(code, available)


class Reference:
    """A serial ledger. ``lots_max`` and ``holds_max`` are the limits of the real one.

    Its dictionaries' values are replaced and never edited, so a copy of the dictionaries is a ledger of its own.
    """

    def __init__(self, program: Program, *, lots_max: int = 120, holds_max: int = 20) -> None:
        self._program = program
        self._lots_max = lots_max
        self._holds_max = holds_max
        self._accounts: dict[str, _Account] = {}
        self._orders: dict[tuple[str, str], _Order] = {}
        self._spent: dict[str, _Spent] = {}

    # What can be asked --------------------------------------------------------------------------------------------

    def apply(self, step: Step, now: datetime) -> Answer | tuple[int, ...] | Refused | bool:
        """One operation at ``now``, which may lie a little before the one of the step before.

        Returns:
            Facts: the points that each event moved. Spending: the answer as the API gives it, or a refusal, which
            changes nothing. Expire and Claim: whether time had anything to write down.
        """
        try:
            match step:
                case Facts():
                    return self._facts(step, now)
                case Expire() | Claim():
                    account = self._at(step.member, now)
                    self._keep(step.member, account)
                    return account.wrote
                case _:
                    return self._spending(step, now)
        except _Refusal as refusal:
            return refusal.said

    def view(self, member: str, now: datetime) -> dict[str, Any]:
        """What ``GET /v1/members/{id}`` answers, without ``version`` and ``tier``."""
        account, today = self._at(member, now), self._today(now)
        available, debt, held = account.available(today), account.debt, account.held
        if self._program.clawback is ClawbackPolicy.NEGATIVE:
            available, debt = available - debt, 0
        days = [day for day in account.lots if day is not None]
        soonest = min(days, default=None)
        return {
            "member_id": member,
            "status": "ACTIVE",
            "available": available,
            "pending": 0,
            "held": held,
            "debt": debt,
            "balance": available + held - debt,
            "lifetime": {
                "earned": account.earned,
                "redeemed": account.redeemed,
                "expired": account.expired,
                "clawed_back": account.clawed_back,
            },
            "next_expiry": soonest and {"on": soonest.isoformat(), "points": account.lots[soonest]},
        }

    def lots(self, member: str, now: datetime) -> list[dict[str, Any]]:
        """What ``GET /v1/members/{id}/lots`` answers under ``lots``."""
        return _shown(_sorted(self._at(member, now).lots))

    def stored(self, member: str) -> Stored:
        """Lots, debt, open holds and lifetime figures as they were last written down."""
        account = self._accounts.get(member, _Account())
        holds = sorted((name, hold.expires_at, tuple(_sorted(hold.lots))) for name, hold in account.holds.items())
        return Stored(
            lots=tuple(_sorted(account.lots)),
            debt=account.debt,
            holds=tuple(holds),
            lifetime=(account.earned, account.redeemed, account.expired, account.clawed_back),
        )

    def granted(self, shop: str, order_id: str) -> int:
        """The points an order has been granted."""
        order = self._orders.get((shop, order_id))
        return order.granted if order else 0

    # Time ---------------------------------------------------------------------------------------------------------

    def _today(self, now: datetime) -> date:
        return local_day(now, self._program.zone)

    def _at(self, member: str, now: datetime) -> _Account:
        """A copy of the account with all that time has done to it by ``now``."""
        account = self._accounts.get(member, _Account()).copy()
        _pass_time(account, now, self._today(now))
        return account

    def _keep(self, member: str, account: _Account) -> None:
        if account.wrote:
            self._accounts[member] = account

    # Spending -----------------------------------------------------------------------------------------------------

    def _spending(self, step: Redeem | Authorize | Capture | Void | Restore, now: datetime) -> Answer:
        match step:
            case Redeem():
                return self._redeem(step, now)
            case Authorize():
                return self._authorize(step, now)
            case Capture():
                return self._capture(step, now)
            case Void():
                return self._void(step, now)
            case Restore():
                return self._restore(step, now)

    def _redeem(self, step: Redeem, now: datetime) -> Answer:
        if known := self._spent.get(step.id):
            return _again(known, step)
        discount = self._discount(step.points, step.order_id, step.order_total)
        account, today = self._at(step.member, now), self._today(now)
        taken = _spend(account, step.points, today)
        account.redeemed += step.points
        answer: dict[str, Any] = {
            "redemption_id": step.id,
            "points": step.points,
            "available": account.available(today),
            "lots": _shown(taken),
        }
        if discount is not None:
            answer["discount"] = discount
        self._keep(step.member, account)
        self._spent[step.id] = _Spent(step, answer, taken)
        return answer

    def _authorize(self, step: Authorize, now: datetime) -> Answer:
        if known := self._spent.get(step.id):
            return _again(known, step)
        terms = self._program.holds
        seconds = terms.expires_in_s if step.expires_in_s is None else step.expires_in_s
        if seconds < 1 or seconds > terms.max_expires_in_s:
            raise _Refusal("INVALID_REQUEST")
        self._discount(step.points, step.order_id, None)
        account, today = self._at(step.member, now), self._today(now)
        taken = _spend(account, step.points, today)
        if len(account.holds) >= self._holds_max:
            raise _Refusal("LIMIT_REACHED")
        expires_at = now + timedelta(seconds=seconds)
        account.holds[step.id] = _Hold(expires_at, dict(taken))
        answer = {
            "hold_id": step.id,
            "status": "AUTHORIZED",
            "points": step.points,
            "expires_at": _instant(expires_at),
            "available": account.available(today),
        }
        self._keep(step.member, account)
        self._spent[step.id] = _Spent(step, answer, [], status="AUTHORIZED", expires_at=expires_at)
        return answer

    def _capture(self, step: Capture, now: datetime) -> Answer:
        known = self._open(step.hold_id, now)
        whole, member = known.step.points, known.step.member
        points = whole if step.points is None else step.points
        if points < 1 or points > whole:
            raise _Refusal("INVALID_REQUEST")
        account = self._at(member, now)
        used = _take(account.holds[step.hold_id].lots, points)
        account.redeemed += points
        _release(account, step.hold_id)
        self._spent[step.hold_id] = replace(known, status="CAPTURED", lots=used, receipts=known.receipts + 1)
        self._keep(member, account)
        return {
            "hold_id": step.hold_id,
            "redemption_id": step.hold_id,
            "status": "CAPTURED",
            "points": points,
            "released": whole - points,
            "available": account.available(self._today(now)),
            "lots": _shown(used),
        }

    def _void(self, step: Void, now: datetime) -> Answer:
        known = self._open(step.hold_id, now)
        account = self._at(known.step.member, now)
        _release(account, step.hold_id)
        self._spent[step.hold_id] = replace(known, status="VOIDED", receipts=known.receipts + 1)
        self._keep(known.step.member, account)
        return {
            "hold_id": step.hold_id,
            "status": "VOIDED",
            "points": 0,
            "released": known.step.points,
            "available": account.available(self._today(now)),
        }

    def _open(self, hold_id: str, now: datetime) -> _Spent:
        """A hold that can be captured or voided at ``now``."""
        known = self._spent.get(hold_id)
        if known is None or not isinstance(known.step, Authorize):
            raise _Refusal("HOLD_NOT_FOUND")
        if known.status != "AUTHORIZED":
            raise _Refusal("HOLD_ALREADY_RESOLVED")
        given_back = hold_id not in self._accounts[known.step.member].holds
        if given_back or (known.expires_at is not None and known.expires_at <= now):
            raise _Refusal("HOLD_EXPIRED")
        return known

    def _restore(self, step: Restore, now: datetime) -> Answer:
        known = self._spent.get(step.document_id)
        if known is None or not known.lots:
            raise _Refusal("REDEMPTION_NOT_FOUND")
        left = sum(points for _, points in known.lots) - known.restored
        back = left if step.points is None else step.points
        if back > left or (step.points is not None and step.points < 1):
            raise _Refusal("INVALID_REQUEST")
        if known.receipts >= RECEIPTS_MAX and (back < left or left == 0):
            raise _Refusal("LIMIT_REACHED")
        member, today = known.step.member, self._today(now)
        account = self._at(member, now)
        sizes = [points for _, points in known.lots]
        before, after = shares(sizes, known.restored), shares(sizes, known.restored + back)
        returned = [(day, more - had) for (day, _), had, more in zip(known.lots, before, after, strict=True)]
        returned = [(day, points) for day, points in returned if points]
        if back:
            account.redeemed -= back
            account.pay_in(returned)
            account.wrote = True
            _compact(account, self._lots_max, today)
            _pass_time(account, now, today)
        known = replace(known, restored=known.restored + back, receipts=known.receipts + 1)
        self._spent[step.document_id] = known
        self._keep(member, account)
        return {
            "redemption_id": step.document_id,
            "points": back,
            "restored": known.restored,
            "available": account.available(today),
            "lots": _shown(returned),
        }

    def _discount(self, points: int, order_id: str | None, total: Money | None) -> dict[str, Any] | None:
        """What the points take off the order, where a currency is known; a refusal where a limit forbids them."""
        terms, own = self._program.redemption, self._program.currency
        cap = terms.max_points_per_order
        about_an_order = order_id is not None or total is not None
        if cap is not None and about_an_order and points > cap:
            raise _Refusal("LIMIT_REACHED")
        currency = own if total is None else total.currency
        if currency is None:
            return None
        if currency not in CURRENCIES or (own is not None and currency != own):
            raise _Refusal("INVALID_REQUEST")
        worth_minor = Fraction(points * minor_units(currency), terms.points_per_unit)
        if total is not None:
            share = Fraction(1) if terms.max_order_share is None else terms.max_order_share
            if worth_minor > total.amount_minor * share:
                raise _Refusal("LIMIT_REACHED")
        return {"amount_minor": math.floor(worth_minor), "currency": currency}

    # Orders -------------------------------------------------------------------------------------------------------

    def _facts(self, step: Facts, now: datetime) -> tuple[int, ...]:
        """All of the events or, where one is refused, none."""
        work = _Work(self._program, self._lots_max, now, lambda member: self._at(member, now), self._orders)
        moved = tuple(work.take_in(event) for event in step.events)
        for member, account in work.accounts.items():
            self._keep(member, account)
        self._orders.update(work.orders)
        return moved


class _Work:
    """Order events that are posted together: orders and accounts on copies, kept when all of it went well."""

    def __init__(
        self,
        program: Program,
        lots_max: int,
        now: datetime,
        at: Callable[[str], _Account],
        orders: Mapping[tuple[str, str], _Order],
    ) -> None:
        self._program = program
        self._lots_max = lots_max
        self._now = now
        self._today = local_day(now, program.zone)
        self._at = at
        self._known = orders
        self.accounts: dict[str, _Account] = {}
        self.orders: dict[tuple[str, str], _Order] = {}

    def take_in(self, event: OrderEvent) -> int:
        """The points that one event moves."""
        if event.order_id is None:
            return 0
        key = (event.shop, event.order_id)
        known = self.orders.get(key) or self._known.get(key)
        order = known.copy() if known else _Order()
        if not _join(order, event):
            return 0
        self.orders[key] = order
        return self._settle(order)

    def _settle(self, order: _Order) -> int:
        """Make the accounts agree with the order: the points this moves."""
        paid, moved = order.paid, 0
        buyer = paid.member if paid else None
        if order.owner is not None and order.owner != buyer:
            moved += self._take_back(order, self._account(order.owner), order.granted)
            order.owner, order.granted, order.lapsed = None, 0, 0
        if paid is None or buyer is None:
            return moved
        if order.owner is None:
            order.owner, order.day, order.dated = buyer, self._last_valid_day(paid), paid.at
        day_before = order.day
        if order.dated != paid.at:
            order.day, order.dated = self._last_valid_day(paid), paid.at
        change = worth(order, self._program) - order.granted
        if change == 0 and order.day == day_before:
            return moved
        account = self._account(buyer)
        if order.day != day_before:
            moved += self._redate(order, account, day_before)
        if change > 0:
            moved += self._grant(order, account, change)
        elif change < 0:
            moved += self._take_back(order, account, -change)
            order.lapsed = 0
        order.granted += change
        if _past(order.day, self._today):
            order.lapsed += account.lots.get(order.day, 0)
        _pass_time(account, self._now, self._today)
        return moved

    def _account(self, member: str) -> _Account:
        """The member's account as of now, to be changed."""
        if member not in self.accounts:
            self.accounts[member] = self._at(member)
        _pass_time(self.accounts[member], self._now, self._today)
        return self.accounts[member]

    def _last_valid_day(self, paid: Paid) -> date | None:
        return last_valid_day(self._program.expiry, local_day(paid.at, self._program.zone))

    def _grant(self, order: _Order, account: _Account, points: int) -> int:
        """Earn, less what was forgiven this member on this order before."""
        assert order.owner is not None
        forgiven = order.forgiven.pop(order.owner, 0)
        due = max(0, points - forgiven)
        if forgiven > points:
            order.forgiven[order.owner] = forgiven - points
        if due:
            account.earned += due
            account.pay_in([(order.day, due)])
            account.wrote = True
            _compact(account, self._lots_max, self._today)
        return due

    def _take_back(self, order: _Order, account: _Account, points: int) -> int:
        """Claw points back: the order's own lot date first, then soonest-expiring; the rest is owed or forgiven."""
        if points == 0:
            return 0
        assert order.owner is not None
        moved = self._revive(order, account, order.day)
        own = min(points, account.lots.get(order.day, 0))
        if own:
            _take_from(account.lots, order.day, own)
        # Whatever else is past its last valid day was gone before; the order's own lot is the only one that can be.
        rest = {day: count for day, count in account.lots.items() if not _past(day, self._today)}
        others = _take(rest, points - own)
        for day, count in others:
            _take_from(account.lots, day, count)
        missing = points - own - sum(count for _, count in others)
        forgiven = 0
        if self._program.clawback is ClawbackPolicy.CLAMP:
            # Points in open holds are there still: they are owed, as far as no earlier debt lies on them already.
            forgiven = max(0, missing - max(0, account.held - account.debt))
        account.debt += missing - forgiven
        account.clawed_back += points - forgiven
        account.wrote = True
        if forgiven:
            order.forgiven[order.owner] = order.forgiven.get(order.owner, 0) + forgiven
        return moved + forgiven - points

    def _redate(self, order: _Order, account: _Account, before: date | None) -> int:
        """Move what is left of the order's points from the lot of ``before`` to the order's day.

        Points that had lapsed come back by it, and what comes back pays the debt first, as every credit does.
        """
        moved = self._revive(order, account, before)
        order.lapsed = 0
        points = min(order.granted, account.lots.get(before, 0))
        if points:
            _take_from(account.lots, before, points)
            account.pay_in([(order.day, points)])
            account.wrote = True
        return moved

    def _revive(self, order: _Order, account: _Account, day: date | None) -> int:
        """Turn the lapse of points round that had lapsed when they were granted."""
        if order.lapsed:
            account.put(day, order.lapsed)
            account.expired -= order.lapsed
            account.wrote = True
        return order.lapsed


# Facts and their worth -----------------------------------------------------------------------------------------------


def _join(order: _Order, event: OrderEvent) -> bool:
    """Add a fact; whether it says anything new."""
    match event.type:
        case EventType.CANCELLED:
            new, order.cancelled = not order.cancelled, True
            return new
        case EventType.REFUNDED:
            refund = event.refund
            assert refund is not None
            if refund.refund_id in order.refunds:
                return False
            if len(order.refunds) == REFUNDS_MAX:
                raise _Refusal("LIMIT_REACHED")
            order.refunds[refund.refund_id] = refund
            return True
        case EventType.PAID:
            paid = event.paid
            assert paid is not None
            if order.paid is not None and paid.revision <= order.paid.revision:
                return False
            order.paid = paid
            return True


def worth(order: _Order, program: Program) -> int:
    """The points of what the buyer kept: each rule rounded once, over the whole order."""
    paid = order.paid
    if paid is None or paid.member is None or order.cancelled:
        return 0
    if program.currency is not None and program.currency != paid.currency:
        return 0
    basis = 0
    for line in paid.lines:
        if line.kind is LineKind.GOODS:
            basis += line.amount_minor
        elif line.kind in {LineKind.DISCOUNT, LineKind.POINTS}:
            basis -= line.amount_minor
    given_back = sum(_given_back(refund, paid) for refund in order.refunds.values() if refund.currency == paid.currency)
    kept = max(0, max(0, basis) - given_back)
    rates = program.rules.rates
    return min(ORDER_POINTS_MAX, sum(points_of(points, per, how, kept) for _, points, per, how in rates))


def _given_back(refund: Refund, paid: Paid) -> int:
    if not refund.lines:
        return refund.total_minor or 0
    kinds = {line.number: line.kind for line in paid.lines}
    amount = 0
    for line in refund.lines:
        kind = line.kind
        if kind is None and line.orig_line is not None:
            kind = kinds.get(line.orig_line)
        if kind in (None, LineKind.GOODS):
            amount += line.amount_minor
    return amount


def points_of(points: int, per_minor: int, rounding: Rounding, kept_minor: int) -> int:
    """The points one rate gives for an amount."""
    exact = Fraction(points * kept_minor, per_minor)
    if rounding is Rounding.FLOOR:
        return math.floor(exact)
    if rounding is Rounding.CEIL:
        return math.ceil(exact)
    return math.floor(exact + Fraction(1, 2))


# Lots ----------------------------------------------------------------------------------------------------------------


def _by_day(part: tuple[date | None, int]) -> date:
    return part[0] or _FOREVER


def _sorted(lots: Mapping[date | None, int]) -> Parts:
    """Soonest-expiring first, never-expiring last."""
    return sorted(lots.items(), key=_by_day)


def _past(day: date | None, today: date) -> bool:
    return day is not None and day < today


def _take_from(lots: Lots, day: date | None, points: int) -> None:
    left = lots[day] - points
    assert left >= 0
    if left:
        lots[day] = left
    else:
        del lots[day]


def _take(lots: Lots, points: int) -> Parts:
    """Take up to ``points`` out of the lots, soonest-expiring first."""
    taken: Parts = []
    for day, count in _sorted(lots):
        part = min(count, points)
        if part:
            taken.append((day, part))
            _take_from(lots, day, part)
            points -= part
    return taken


def _spend(account: _Account, points: int, today: date) -> Parts:
    """Take ``points`` out of an account that is as of now, all of them or none."""
    available = account.available(today)
    if points > available:
        raise _Refusal("INSUFFICIENT_POINTS", available)
    account.wrote = True
    return _take(account.lots, points)


def _pass_time(account: _Account, now: datetime, today: date) -> None:
    """Overdue holds give their points back, then what is past its last valid day lapses."""
    overdue = [(hold.expires_at, name) for name, hold in account.holds.items() if hold.expires_at <= now]
    for _, name in sorted(overdue):
        _release(account, name)
    for day in [day for day in account.lots if _past(day, today)]:
        account.expired += account.lots.pop(day)
        account.wrote = True


def _compact(account: _Account, lots_max: int, today: date) -> None:
    """While there are too many lots, the two closest dates join at the later, the earlier pair among equals."""
    while len(account.lots) > lots_max:
        days = sorted(day for day in account.lots if day is not None and not _past(day, today))
        if len(days) < 2:  # noqa: PLR2004 - a pair
            return
        _, sooner, later = min((later - sooner, sooner, later) for sooner, later in pairwise(days))
        account.lots[later] += account.lots.pop(sooner)


def _release(account: _Account, hold_id: str) -> None:
    """Give back what an open hold still has; a debt is paid out of it first."""
    account.pay_in(list(account.holds.pop(hold_id).lots.items()))
    account.wrote = True


def _again(known: _Spent, step: Redeem | Authorize) -> Answer:
    """The answer to a request that was made before under the same id."""
    if known.step != step:
        raise _Refusal("IDEMPOTENCY_KEY_REUSED")
    return known.answer


def shares(sizes: list[int], units: int) -> list[int]:
    """Whole shares of ``units`` in proportion to ``sizes`` by Sainte-Laguë, the earlier part first among equals.

    A part's j-th unit has the rank ``(2j - 1) / size``; the first ``units`` of all ranks win. Rounding every exact
    share to the nearest takes the ranks up to one bound, and is then put right one unit at a time.
    """
    whole = sum(sizes)
    found = [(2 * units * size + whole) // (2 * whole) for size in sizes]

    def rank(index: int, unit: int) -> tuple[Fraction, int]:
        return Fraction(2 * unit - 1, sizes[index]), index

    while sum(found) > units:
        _, last = max(rank(index, share) for index, share in enumerate(found) if share)
        found[last] -= 1
    while sum(found) < units:
        _, first = min(rank(index, share + 1) for index, share in enumerate(found))
        found[first] += 1
    return found


def _shown(parts: Parts) -> list[dict[str, Any]]:
    return [
        {"points": points, "expires_on": day.isoformat() if day else None, "active_from": None} for day, points in parts
    ]


# Days and money ------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=65_536)
def local_day(instant: datetime, zone: ZoneInfo) -> date:
    """The day of ``zone`` at ``instant``.

    A day has begun once its date is on the wall for good: where the clock goes back over midnight, the day before
    lasts until its last moment has passed the second time.
    """
    day = instant.astimezone(zone).date()
    midnight = datetime(day.year, day.month, day.day)  # noqa: DTZ001 - the zone and the fold are put on the line below
    last = (midnight - _MICROSECOND).replace(tzinfo=zone, fold=1).astimezone(UTC)
    return day if instant > last else day - _DAY


def last_valid_day(expiry: Expiry, earned_on: date) -> date | None:
    """The last day on which points earned on ``earned_on`` can be spent."""
    if expiry.policy == "never":
        return None
    if expiry.policy == "fixed_date":
        month, day = expiry.month_day
        year = earned_on.year
        if _day_of(year, month, day) < earned_on:
            year += 1
        return _day_of(year + expiry.years, month, day)
    if expiry.policy == "days":
        last = earned_on + timedelta(days=expiry.days)
    else:
        years, month = divmod(earned_on.month - 1 + expiry.months, 12)
        last = _day_of(earned_on.year + years, month + 1, earned_on.day)
    months_up = {"none": 0, "month_end": 1, "quarter_end": 3, "year_end": 12}[expiry.round_up_to]
    if months_up:
        ends = range(months_up, 13, months_up)
        last = _day_of(last.year, next(month for month in ends if month >= last.month), 31)
    return last


def _day_of(year: int, month: int, day: int) -> date:
    """That day of the month, or the month's last where it has no such day."""
    last = (date(year + month // 12, month % 12 + 1, 1) - _DAY).day
    return date(year, month, min(day, last))


_WITHOUT_DIGITS = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_WITH_THREE_DIGITS = "BHD IQD JOD KWD LYD OMR TND"


def minor_units(currency: str) -> int:
    """Minor units of one unit (ISO 4217)."""
    if currency in _WITHOUT_DIGITS.split():
        return 1
    return 1000 if currency in _WITH_THREE_DIGITS.split() else 100


def _instant(instant: datetime) -> str:
    text = instant.astimezone(UTC).isoformat()
    return text.removesuffix("+00:00") + "Z"
