"""The second opinion: the whole ledger once more, as plainly as it can be written, from its contract.

    Reference ── spending: redeem, hold, capture, void, restore        here
              ├─ orders ──> awarding ──> worth, memory, levels         what earning rules make of them
              ├─ events, check-ins, reviews ──> behaving               what members do besides, and operators
              └─ purses (lots, debt, holds) and days                   what all of it moves, and when

It shares values with the real code (events, program, rules as values, money) and not one decision: what an order is
worth, which lot is touched, when a day ends are worked out here again. There is no concurrency, no entry and no hash;
operations are applied one after the other. Where it and the ledger disagree, one of them is wrong.

Rules are those of the contract ("What decides points") and, where that is silent, of ``docs/rules.md``,
``docs/tiers.md``, ``docs/architecture.md``, ``docs/program.md`` and ``docs/decisions``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from jifen.domain.events import BehaviourEvent
from jifen.domain.money import CURRENCIES, Money
from jifen.domain.program import ClawbackPolicy, Program
from local.simulation import behaving
from local.simulation.awarding import Before, Order, TooManyRefunds, Work
from local.simulation.behaving import Receipt
from local.simulation.days import last_valid_day, local_day
from local.simulation.history import (
    Answer,
    Authorize,
    Behaving,
    Capture,
    CheckIn,
    Claim,
    Expire,
    Facts,
    Happen,
    MakeUp,
    Redeem,
    Refused,
    Restore,
    Review,
    Steer,
    Step,
    Void,
)
from local.simulation.memory import Campaigning
from local.simulation.purse import Hold, Key, Lots, Parts, Purse, ahead, arranged, compact, take, take_from

if TYPE_CHECKING:
    from jifen.domain.account import Account

__all__ = ["RECEIPTS_MAX", "Reference", "Stored", "last_valid_day", "local_day", "minor_units", "shares"]

RECEIPTS_MAX = 200

Rows = tuple[tuple[Key, int], ...]
"""Points by lot, in the order of the lots."""


@dataclass(frozen=True, slots=True)
class Stored:
    """An account as it was last written down: what time has done since is not in it.

    ``memory`` is what is remembered beside the points, as the account's row has it.
    """

    lots: Rows
    debt: int
    holds: tuple[tuple[str, datetime, Rows], ...]
    lifetime: tuple[int, int, int, int]
    memory: Mapping[str, Any]

    @staticmethod
    def of(account: Account, memory: Mapping[str, Any] | None) -> Stored:
        """The same figures of an account as the real ledger keeps it, with its ``memory`` as the row has it."""
        life = account.lifetime
        holds = sorted((hold.hold_id, hold.expires_at, _rows(hold.lots)) for hold in account.holds)
        return Stored(
            lots=_rows(account.lots),
            debt=account.debt,
            holds=tuple(holds),
            lifetime=(life.earned, life.redeemed, life.expired, life.clawed_back),
            memory=without_due(memory),
        )


def _rows(lots: Any) -> Rows:
    return tuple(((lot.expires_on, lot.active_from), lot.points) for lot in lots)


def without_due(memory: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """What is remembered, less the day on which the sweep is to come: the laws on sweeps and the index judge that."""
    return {name: value for name, value in (memory or {}).items() if name != "due"}


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
        self._accounts: dict[str, Purse] = {}
        self._orders: dict[tuple[str, str], Order] = {}
        self._campaigns: dict[str, Campaigning] = {}
        self._spent: dict[str, _Spent] = {}
        self._receipts: dict[tuple[str, str], Receipt] = {}
        self._used: dict[tuple[str, str, str], str] = {}
        self._past: dict[int, tuple[Mapping[str, Purse], Mapping[str, Campaigning]]] = {0: ({}, {})}
        self.wrote: frozenset[str] = frozenset()

    # What can be asked --------------------------------------------------------------------------------------------

    def apply(
        self, step: Step, now: datetime, seen: Mapping[str, int] | None = None
    ) -> Answer | tuple[int, ...] | Refused | bool:
        """One operation at ``now``, which may lie a little before the one of the step before.

        Args:
            step: what is done; ``wrote`` names afterwards the members of whom it has written something down.
            now: when.
            seen: which states (see :meth:`mark`) the step has seen of what it did not write itself, by partition key.

        Returns:
            Facts: the points that each event moved. Expire and Claim: whether time had anything to write down. All
            others: the answer as the API gives it, less its reasons, or a refusal, which changes nothing.
        """
        self.wrote = frozenset()
        try:
            return self._apply(step, now, seen or {})
        except TooManyRefunds:
            return Refused("LIMIT_REACHED")
        except behaving.Wrong as wrong:
            return Refused(wrong.code, wrong.available)
        except _Refusal as refusal:
            return refusal.said

    def _apply(self, step: Step, now: datetime, seen: Mapping[str, int]) -> Answer | tuple[int, ...] | bool:
        match step:
            case Facts():
                return self._facts(step, now, seen)
            case Expire(member) | Claim(member):
                work = self._work(now, {})
                work.caught_up(member)
                if isinstance(step, Expire):
                    work.allow(member)
                self._finish(work)
                return bool(self.wrote)
            case Happen() | CheckIn() | MakeUp() | Review() | Steer():
                return self._behaving(step, now, seen)
            case _:
                return self._spending(step, now)

    def mark(self, number: int) -> None:
        """Remember how things are now, as the state ``number``; 0 is how they began."""
        self._past[number] = (dict(self._accounts), dict(self._campaigns))

    def view(self, member: str, now: datetime) -> dict[str, Any]:
        """What ``GET /v1/members/{id}`` answers, without ``version`` and ``tier``."""
        account, today = self._at(member, now), self._today(now)
        available, debt, held = account.available(today), account.debt, account.held
        if self._program.clawback is ClawbackPolicy.NEGATIVE:
            available, debt = available - debt, 0
        soonest = min((key[0] for key in account.lots if key[0] is not None), default=None)
        lapsing = sum(points for key, points in account.lots.items() if key[0] == soonest)
        pending = sum(points for key, points in account.lots.items() if ahead(key, today))
        return {
            "member_id": member,
            "status": "ACTIVE",
            "available": available,
            "pending": pending,
            "held": held,
            "debt": debt,
            "balance": available + pending + held - debt,
            "lifetime": {
                "earned": account.earned,
                "redeemed": account.redeemed,
                "expired": account.expired,
                "clawed_back": account.clawed_back,
            },
            "next_expiry": soonest and {"on": soonest.isoformat(), "points": lapsing},
        }

    def lots(self, member: str, now: datetime) -> list[dict[str, Any]]:
        """What ``GET /v1/members/{id}/lots`` answers under ``lots``."""
        account, today = self._at(member, now), self._today(now)
        shown: Lots = {}
        for (last, first), points in arranged(account.lots):
            key = (last, first if ahead((last, first), today) else None)
            shown[key] = shown.get(key, 0) + points
        return _shown(shown.items())

    def stored(self, member: str) -> Stored:
        """Lots, debt, open holds and lifetime figures as they were last written down."""
        account = self._accounts.get(member, Purse())
        holds = sorted((name, hold.expires_at, tuple(arranged(hold.lots))) for name, hold in account.holds.items())
        return Stored(
            lots=tuple(arranged(account.lots)),
            debt=account.debt,
            holds=tuple(holds),
            lifetime=(account.earned, account.redeemed, account.expired, account.clawed_back),
            memory=account.memory.plain(),
        )

    def campaign(self, name: str) -> Campaigning:
        """What a campaign has done."""
        return self._campaigns.get(name, Campaigning())

    def order(self, shop: str, order_id: str) -> Order | None:
        """An order with its awards."""
        return self._orders.get((shop, order_id))

    def granted(self, shop: str, order_id: str) -> int:
        """The points an order has been granted."""
        order = self._orders.get((shop, order_id))
        return order.award.granted if order and order.award else 0

    # Time ---------------------------------------------------------------------------------------------------------

    def _today(self, now: datetime) -> date:
        return local_day(now, self._program.zone)

    def _at(self, member: str, now: datetime) -> Purse:
        """A copy of the account with all that time has done to it by ``now``."""
        account = self._accounts.get(member, Purse()).copy()
        account.pass_time(now, self._today(now))
        return account

    def _keep(self, member: str, account: Purse) -> None:
        if account.wrote:
            account.known = True
            self._accounts[member] = account
            self.wrote |= {member}

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
        account.holds[step.id] = Hold(expires_at, dict(taken))
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
        used = take(account.holds[step.hold_id].lots, points)
        account.redeemed += points
        account.release(step.hold_id)
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
        account.release(step.hold_id)
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
            account.posted()
            compact(account, self._lots_max, today)
            account.pass_time(now, today)
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
        worth_minor = Fraction(points * (terms.worth.minor or minor_units(currency)), terms.worth.points)
        if total is not None:
            share = Fraction(1) if terms.max_order_share is None else terms.max_order_share
            if worth_minor > total.amount_minor * share:
                raise _Refusal("LIMIT_REACHED")
        return {"amount_minor": math.floor(worth_minor), "currency": currency}

    # Orders -------------------------------------------------------------------------------------------------------

    def _facts(self, step: Facts, now: datetime, seen: Mapping[str, int]) -> tuple[int, ...]:
        """All of the events or, where one is refused, none."""
        work = self._work(now, seen)
        moved = tuple(work.take_in(event) for event in step.events)
        self._finish(work)
        return moved

    # Behaving -----------------------------------------------------------------------------------------------------

    def _behaving(self, step: Behaving, now: datetime, seen: Mapping[str, int]) -> Answer:
        work = self._work(now, seen)
        match step:
            case Happen(event):
                answer = self._happen(work, event)
            case CheckIn(member, key):
                done = self._happen(work, BehaviourEvent(behaving.CHECKED_IN, f"check-in:{key}", member, now))
                answer = {name: done[name] for name in ("member_id", "day", "status", "points", "run")}
            case MakeUp(member, _):
                answer = behaving.make_up(work, member)
            case Review():
                answer = self._review(work, step)
            case Steer(campaign, how):
                behaving.steer(work, campaign, how)
                answer = {"id": campaign, "status": behaving.status(work, campaign, now)}
        self._finish(work)
        return answer

    def _happen(self, work: Work, event: BehaviourEvent) -> Answer:
        key = (event.member, event.event_id)
        if known := self._receipts.get(key):
            if known.event != event:
                raise _Refusal("IDEMPOTENCY_KEY_REUSED")
            return known.answer
        used = [(rule, value) for member, rule, value in self._used if member == event.member]
        deed = behaving.Deed(work, event, used)
        status, points = deed.done()
        answer = {
            "event_id": event.event_id,
            "member_id": event.member,
            "type": event.type,
            "status": status,
            "points": points,
            "proposed": sum(deed.proposed.values()),
            "day": deed.day.isoformat(),
            "run": behaving.shown(deed.run),
        }
        self._receipts[key] = Receipt(event, status, points, deed.proposed, answer)
        self._used.update({(event.member, rule, value): event.event_id for rule, value in deed.marks})
        return answer

    def _review(self, work: Work, step: Review) -> Answer:
        key = (step.member, step.event_id)
        receipt = self._receipts.get(key)
        if receipt is None:
            raise _Refusal("REVIEW_NOT_FOUND")
        if step.approve:
            receipt = behaving.approve(work, receipt, step.points)
        elif receipt.status == "IN_REVIEW":
            receipt = replace(receipt, status="REJECTED")
        else:
            raise _Refusal("WRONG_STATUS")
        self._receipts[key] = receipt
        day = work.today.isoformat()
        changed = {"status": receipt.status, "points": receipt.points, "day": day, "run": None}
        return {**receipt.answer, **changed}

    def _work(self, now: datetime, seen: Mapping[str, int]) -> Work:
        def purse(member: str) -> Purse:
            known = self._past[seen[f"M#{member}"]][0] if f"M#{member}" in seen else self._accounts
            return known.get(member, Purse()).copy()

        def campaign(name: str) -> Campaigning:
            known = self._past[seen[f"G#{name}"]][1] if f"G#{name}" in seen else self._campaigns
            return known.get(name, Campaigning())

        return Work(self._program, self._lots_max, now, Before(purse, self._orders, campaign))

    def _finish(self, work: Work) -> None:
        for member, account in work.purses.items():
            self._keep(member, account)
        self._orders.update(work.orders)
        self._campaigns.update(work.campaigns)


def _spend(account: Purse, points: int, today: date) -> Parts:
    """Take ``points`` out of an account that is as of now, all of them or none."""
    available = account.available(today)
    if points > available:
        raise _Refusal("INSUFFICIENT_POINTS", available)
    account.posted()
    taken = take(account.usable(today), points)
    for key, part in taken:
        take_from(account.lots, key, part)
    return taken


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


# Money ---------------------------------------------------------------------------------------------------------------


_WITHOUT_DIGITS = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_WITH_THREE_DIGITS = "BHD IQD JOD KWD LYD OMR TND"


def minor_units(currency: str) -> int:
    """Minor units of one unit (ISO 4217)."""
    if currency in _WITHOUT_DIGITS.split():
        return 1
    return 1000 if currency in _WITH_THREE_DIGITS.split() else 100


def _shown(parts: Iterable[tuple[Key, int]]) -> list[dict[str, Any]]:
    return [
        {
            "points": points,
            "expires_on": last.isoformat() if last else None,
            "active_from": first.isoformat() if first else None,
        }
        for (last, first), points in parts
    ]


def _instant(instant: datetime) -> str:
    text = instant.astimezone(UTC).isoformat()
    return text.removesuffix("+00:00") + "Z"
