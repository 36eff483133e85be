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

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING, Any

from jifen.domain.events import BehaviourEvent
from jifen.domain.orders import OrderEvent
from jifen.domain.program import ClawbackPolicy, Program
from local.simulation import behaving, passwords
from local.simulation.awarding import Before, Order, TooManyRefunds, Work, join
from local.simulation.behaving import Receipt
from local.simulation.days import DAY, first_instant, local_day
from local.simulation.departments import deed_of
from local.simulation.history import (
    Answer,
    Authorize,
    Behaving,
    Capture,
    CheckIn,
    Claim,
    Declined,
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
    asked,
)
from local.simulation.memory import Campaigning
from local.simulation.purse import Hold, Key, Lots, Parts, Purse, ahead, arranged, shown, take
from local.simulation.spent import Spent, When, put_back
from local.simulation.till import Till, spend
from local.simulation.used import PutBack, follow, part_given_back, with_use

if TYPE_CHECKING:
    from jifen.domain.account import Account

RECEIPTS_MAX = 200
SHOP = "standard"
"""Whose orders points are used on."""

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


class Reference:
    """A serial ledger. ``lots_max`` and ``holds_max`` are the limits of the real one.

    Its dictionaries' values are replaced and never edited, so a copy of the dictionaries is a ledger of its own.
    ``books`` is what the departments keep, each under its own name.
    """

    def __init__(self, program: Program, *, lots_max: int = 120, holds_max: int = 20) -> None:
        self.program = program
        self.lots_max = lots_max
        self._holds_max = holds_max
        self._accounts: dict[str, Purse] = {}
        self._orders: dict[tuple[str, str], Order] = {}
        self._campaigns: dict[str, Campaigning] = {}
        self._spent: dict[str, Spent] = {}
        self._receipts: dict[tuple[str, str], Receipt] = {}
        self._used: dict[tuple[str, str, str], str] = {}
        self.books: dict[tuple[str, str], Any] = {}
        self._past: dict[int, tuple[Mapping[str, Purse], Mapping[str, Campaigning]]] = {0: ({}, {})}
        self.wrote: frozenset[str] = frozenset()
        self._day = date.min

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
        self.wrote, self._day = frozenset(), self.today(now)
        try:
            return self._apply(step, now, seen or {})
        except TooManyRefunds:
            return Refused("LIMIT_REACHED")
        except behaving.Wrong as wrong:
            return Refused(wrong.code, wrong.available)
        except Declined as refusal:
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
            case Redeem() | Authorize() | Capture() | Void() | Restore():
                return self._spending(step, now)
            case _:
                answer: Answer = deed_of(step).reference(self, step, now)
                return answer

    def mark(self, number: int) -> None:
        """Remember how things are now, as the state ``number``; 0 is how they began."""
        self._past[number] = (dict(self._accounts), dict(self._campaigns))

    def view(self, member: str, now: datetime) -> dict[str, Any]:
        """What ``GET /v1/members/{id}`` answers, without ``version`` and ``tier``."""
        account, today = self.at(member, now), self.today(now)
        available, debt, held = account.available(today), account.debt, account.held
        if self.program.clawback is ClawbackPolicy.NEGATIVE:
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
        account, today = self.at(member, now), self.today(now)
        found: Lots = {}
        for (last, first), points in arranged(account.lots):
            key = (last, first if ahead((last, first), today) else None)
            found[key] = found.get(key, 0) + points
        return [lot | self._time_left(lot["expires_on"], today) for lot in shown(found.items())]

    def _time_left(self, last: str | None, today: date) -> dict[str, Any]:
        """How many days are left after today, and the first instant of the day after the last."""
        if last is None:
            return {"days_left": None, "ends_at": None}
        day = date.fromisoformat(last)
        return {"days_left": (day - today).days, "ends_at": _instant(first_instant(day + DAY, self.program.zone))}

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

    def spent(self, name: str) -> Spent | None:
        """A redemption or hold."""
        return self._spent.get(name)

    def granted(self, shop: str, order_id: str) -> int:
        """The points an order has been granted."""
        order = self._orders.get((shop, order_id))
        return order.award.granted if order and order.award else 0

    # Time ---------------------------------------------------------------------------------------------------------

    def today(self, now: datetime) -> date:
        """The local day."""
        return local_day(now, self.program.zone)

    def at(self, member: str, now: datetime) -> Purse:
        """A copy of the account with all that time has done to it by ``now``."""
        account = self._accounts.get(member, Purse()).copy()
        account.pass_time(now, self.today(now))
        return account

    def keep(self, member: str, account: Purse) -> None:
        """Write a purse down, if anything has changed in it."""
        if account.wrote:
            account.known = True
            if account.entered and account.memory.opened is None:
                account.memory = replace(account.memory, opened=self._day)
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
        order, till = self._till(step, now)
        proof = passwords.proof(self, step.password)
        account, today = self.at(step.member, now), self.today(now)
        points, taken = spend(till, account, proof, today)
        account.redeemed += points
        known = Spent(step, {}, points, taken)
        if order is not None:
            known = follow(step.id, known, order, lambda: account, self._put_back(now))
        answer: dict[str, Any] = {
            "redemption_id": step.id,
            "points": points,
            "available": account.available(today),
            "lots": shown(taken),
            **_returned(known),
        }
        if (discount := till.discount(points)) is not None:
            answer["discount"] = discount
        self.keep(step.member, account)
        self._spent[step.id] = replace(known, answer=answer)
        self._knows(order)
        return answer

    def _authorize(self, step: Authorize, now: datetime) -> Answer:
        if known := self._spent.get(step.id):
            return _again(known, step)
        order, till = self._till(step, now)
        proof = passwords.proof(self, step.password)
        terms = self.program.holds
        seconds = terms.expires_in_s if step.expires_in_s is None else step.expires_in_s
        if seconds < 1 or seconds > terms.max_expires_in_s:
            raise Declined("INVALID_REQUEST")
        account, today = self.at(step.member, now), self.today(now)
        points, taken = spend(till, account, proof, today)
        if len(account.holds) >= self._holds_max:
            soonest = min(hold.expires_at for hold in account.holds.values())
            raise Declined("LIMIT_REACHED", limit="open_holds", resets_at=soonest.isoformat())
        expires_at = now + timedelta(seconds=seconds)
        account.holds[step.id] = Hold(expires_at, dict(taken))
        answer: dict[str, Any] = {
            "hold_id": step.id,
            "status": "AUTHORIZED",
            "points": points,
            "expires_at": _instant(expires_at),
            "available": account.available(today),
        }
        if (discount := till.discount(points)) is not None:
            answer["discount"] = discount
        self.keep(step.member, account)
        self._spent[step.id] = Spent(step, answer, points, [], status="AUTHORIZED", expires_at=expires_at)
        self._knows(order)
        return answer

    def _till(self, step: Redeem | Authorize, now: datetime) -> tuple[Order | None, Till]:
        """The order once it knows of these points, and the checkout at which they are asked for."""
        if step.order_id is None:
            return None, Till(self.program, step, 0)
        known = self._orders.get((SHOP, step.order_id)) or Order(f"{SHOP}#{step.order_id}")
        order = with_use(known, step.id, self._spent, now)
        return order, Till(self.program, step, sum(self._spent[name].in_use(now) for name in known.used))

    def _knows(self, order: Order | None) -> None:
        if order is not None:
            shop, _, order_id = order.name.partition("#")
            self._orders[shop, order_id] = order

    def _put_back(self, now: datetime) -> PutBack:
        when = When(now, self.today(now), self.lots_max)
        return lambda known, restored, account: put_back(known, restored, account, self.program, when)

    def _capture(self, step: Capture, now: datetime) -> Answer:
        known = self._open(step.hold_id, now)
        whole, member = known.points, known.step.member
        points = whole if step.points is None else step.points
        if points < 1 or points > whole:
            raise Declined("INVALID_REQUEST")
        order = self._orders.get((SHOP, known.step.order_id or ""))
        account = self.at(member, now)
        used = take(account.holds[step.hold_id].lots, points)
        account.redeemed += points
        account.release(step.hold_id)
        known = replace(known, status="CAPTURED", lots=used, receipts=known.receipts + 1)
        if order is not None:
            known = follow(step.hold_id, known, order, lambda: account, self._put_back(now))
        self._spent[step.hold_id] = known
        self.keep(member, account)
        return {
            "hold_id": step.hold_id,
            "redemption_id": step.hold_id,
            "status": "CAPTURED",
            "points": points,
            "released": whole - points,
            "available": account.available(self.today(now)),
            "lots": shown(used),
            **_returned(known),
        }

    def _void(self, step: Void, now: datetime) -> Answer:
        known = self._open(step.hold_id, now)
        account = self.at(known.step.member, now)
        account.release(step.hold_id)
        self._spent[step.hold_id] = replace(known, status="VOIDED", receipts=known.receipts + 1)
        self.keep(known.step.member, account)
        return {
            "hold_id": step.hold_id,
            "status": "VOIDED",
            "points": 0,
            "released": known.points,
            "available": account.available(self.today(now)),
        }

    def _open(self, hold_id: str, now: datetime) -> Spent:
        """A hold that can be captured or voided at ``now``."""
        known = self._spent.get(hold_id)
        if known is None or not isinstance(known.step, Authorize):
            raise Declined("HOLD_NOT_FOUND")
        if known.status != "AUTHORIZED":
            raise Declined("HOLD_ALREADY_RESOLVED")
        given_back = hold_id not in self._accounts[known.step.member].holds
        if given_back or (known.expires_at is not None and known.expires_at <= now):
            raise Declined("HOLD_EXPIRED")
        return known

    def _restore(self, step: Restore, now: datetime) -> Answer:
        known = self._spent.get(step.document_id)
        if known is None or not known.lots:
            raise Declined("REDEMPTION_NOT_FOUND")
        left = known.spent - known.restored
        back = left if step.points is None else step.points
        if back > left or (step.points is not None and step.points < 1):
            raise Declined("INVALID_REQUEST")
        if known.receipts >= RECEIPTS_MAX and (back < left or left == 0):
            raise Declined("LIMIT_REACHED", limit="restores_of_one_redemption")
        member, today = known.step.member, self.today(now)
        account = self.at(member, now)
        returned: Parts = []
        if back:
            known, returned = self._put_back(now)(known, known.restored + back, account)
        known = replace(known, receipts=known.receipts + 1)
        self._spent[step.document_id] = known
        self.keep(member, account)
        return {
            "redemption_id": step.document_id,
            "points": back,
            "restored": known.restored,
            "available": account.available(today),
            "lots": shown(returned),
        }

    # Orders -------------------------------------------------------------------------------------------------------

    def _facts(self, step: Facts, now: datetime, seen: Mapping[str, int]) -> tuple[int, ...]:
        """All of the events or, where one is refused, none. What was used on an order goes back first of all."""
        work = self._work(now, seen)
        followed: dict[str, Spent] = {}
        for order in self._turned(step.events):
            for name in order.used:
                known = self._spent[name]
                member = known.step.member
                followed[name] = follow(name, known, order, partial(work.caught_up, member), self._put_back(now))
        moved = tuple(work.take_in(event) for event in step.events)
        self._finish(work)
        self._spent.update(followed)
        return moved

    def _turned(self, events: Iterable[OrderEvent]) -> list[Order]:
        """Orders as all the events leave them, of those that points were used on and another part is given back of."""
        after: dict[tuple[str, str], Order] = {}
        for event in events:
            key = (event.shop, event.order_id or "")
            if key in self._orders:
                order = after.setdefault(key, self._orders[key].copy())
                join(order, event)
        return [order for key, order in after.items() if _gone(order) != _gone(self._orders[key])]

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
                raise Declined("IDEMPOTENCY_KEY_REUSED")
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
            raise Declined("REVIEW_NOT_FOUND")
        if step.approve:
            receipt = behaving.approve(work, receipt, step.points)
        elif receipt.status == "IN_REVIEW":
            receipt = replace(receipt, status="REJECTED")
        else:
            raise Declined("WRONG_STATUS")
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

        return Work(self.program, self.lots_max, now, Before(purse, self._orders, campaign))

    def _finish(self, work: Work) -> None:
        for member, account in work.purses.items():
            self.keep(member, account)
        self._orders.update(work.orders)
        self._campaigns.update(work.campaigns)


def _again(known: Spent, step: Redeem | Authorize) -> Answer:
    """The answer to a request that was made before under the same id."""
    if asked(known.step) != asked(step):
        raise Declined("IDEMPOTENCY_KEY_REUSED")
    return known.answer


def _returned(known: Spent) -> dict[str, int]:
    """What went back at once, because the order was given back in part before."""
    return {"restored": known.restored} if known.restored else {}


def _gone(order: Order) -> tuple[bool, Fraction]:
    return order.cancelled, part_given_back(order)


def _instant(instant: datetime) -> str:
    text = instant.astimezone(UTC).isoformat()
    return text.removesuffix("+00:00") + "Z"
