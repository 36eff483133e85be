"""Awards: from the state of an order to the entries that make the ledger agree with it.

    posting = entitled(order) - granted so far       positive: EARN    negative: CLAWBACK    nothing: no entry

The order document keeps what was granted, to whom, under which rules and into which lot date.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date

from jifen.domain import lots as lot_book
from jifen.domain.account import Change, caught_up, credit, pay_debt
from jifen.domain.calendar import local_day
from jifen.domain.entries import Draft, Kind, Reason, Source
from jifen.domain.lots import Lot, LotChange
from jifen.domain.orders import Award, EventType, Order, OrderEvent, Paid
from jifen.domain.program import ClawbackPolicy, Moment, Program
from jifen.domain.rules import entitled, explain


@dataclass(frozen=True, slots=True)
class Awarded:
    """The order with its new award, and the accounts it touched, by member."""

    order: Order
    changes: Mapping[str, Change]


def members_of(order: Order) -> frozenset[str]:
    """The accounts a change of this order may touch: its buyer, and whoever was granted its points before."""
    buyer = {order.paid.member} if order.paid and order.paid.member else set()
    return frozenset(buyer | ({order.award.member} if order.award else set()))


def award(order: Order, event: OrderEvent, changes: Mapping[str, Change], program: Program, moment: Moment) -> Awarded:
    """Post what the order's state now calls for.

    Args:
        order: the joined order, ``event`` included.
        event: the fact that came in; it names the reason and the time of the entries.
        changes: the accounts of :func:`members_of`, as far as this transaction has come.
        program: rules for a first award; later ones keep the rules of the first.
        moment: when this is decided.
    """
    buyer = order.paid.member if order.paid else None
    posting = _Posting(order, event, program, moment)
    touched: dict[str, Change] = {}
    if order.award and order.award.member != buyer:
        old = order.award
        change = posting.begin(changes[old.member])
        change, forgiven = posting.take_back(change, old, old.granted, Reason.ORDER_MOVED)
        touched[old.member] = change
        order = replace(order, award=None, forgiven=_added(order.forgiven, old.member, forgiven))
    if order.paid is None or buyer is None:
        return Awarded(order, touched)
    held = order.award or _first_award(order.paid, buyer, program)
    before = touched.get(buyer, changes[buyer])
    settled, change, forgiven = posting.settle(order, held, before)
    if change is not before:
        touched[buyer] = change
    return Awarded(replace(order, award=settled, forgiven=_added(order.forgiven, buyer, forgiven)), touched)


def _added(forgiven: Mapping[str, int], member: str, points: int) -> Mapping[str, int]:
    left = {**forgiven, member: forgiven.get(member, 0) + points}
    return {name: count for name, count in left.items() if count}


def _first_award(paid: Paid, buyer: str, program: Program) -> Award:
    day = program.expiry.last_valid_day(local_day(paid.at, program.zone))
    return Award(buyer, 0, day, rules=program.rules, currency=program.currency, paid_at=paid.at)


@dataclass(frozen=True, slots=True)
class _Posting:
    """One event's effect on the accounts of one order."""

    order: Order
    event: OrderEvent
    program: Program
    moment: Moment

    def begin(self, change: Change) -> Change:
        """Write down what time has done before anything is decided."""
        return caught_up(change, self.moment)

    def settle(self, order: Order, held: Award, change: Change) -> tuple[Award, Change, int]:
        """Bring one buyer's account to what the order is worth: the award, the account, the points newly forgiven."""
        held, before = self._redated(held)
        posting = entitled(order, held.rules, held.currency) - held.granted
        if posting == 0 and before == held.last_valid_day:
            return held, change, 0
        change, forgiven = self.begin(change), 0
        if before != held.last_valid_day:
            change, held = self._move_lot(change, held, before)
        if posting > 0:
            forgiven = -min(order.forgiven.get(held.member, 0), posting)
            change = self._earn(change, held, posting + forgiven)
        elif posting < 0:
            change, forgiven = self.take_back(change, held, -posting)
            held = replace(held, lapsed=0)
        lapsed = held.lapsed + self._overdue(change, held)
        return replace(held, granted=held.granted + posting, lapsed=lapsed), self.begin(change), forgiven

    def take_back(self, change: Change, held: Award, points: int, reason: Reason | None = None) -> tuple[Change, int]:
        """Claw ``points`` back: the order's own lot date first, then soonest-expiring; the rest follows the policy.

        Points that had lapsed already when they were awarded come back first, so that a payment and a refund that both
        arrive late end where they end in the other order. Points that an open hold keeps are owed under any policy.

        Returns:
            The account, and the points that policy ``clamp`` forgave.
        """
        if points == 0:
            return change, 0
        change = self._revive(change, held)
        today = self.moment.today

        def own(lot: Lot) -> bool:
            return lot.expires_on == held.last_valid_day

        taken = lot_book.take(change.account.lots, points, lambda lot: not lot.expired(today) or own(lot), first=own)
        missing = points + lot_book.total(taken)
        policy = self.program.clawback
        held_free = max(0, change.account.held - change.account.debt)
        forgiven = max(0, missing - held_free) if policy is ClawbackPolicy.CLAMP else 0
        owed = missing - forgiven
        why: dict[str, object] = {"granted_before": held.granted, "policy": str(policy)}
        if missing:
            why |= {"owed": owed, "forgiven": forgiven}
        draft = replace(
            self._draft(Kind.CLAWBACK, reason or self._reason(growing=False)),
            points=forgiven - points,
            lots=taken,
            debt=owed,
            why=(*explain(self.order, held.rules), why),
        )
        return (change.post(draft, self.moment) if forgiven < points else change), forgiven

    def _redated(self, held: Award) -> tuple[Award, date | None]:
        """The award at the lot date that the present paid state calls for, and the date it had before."""
        paid, before = self.order.paid, held.last_valid_day
        assert paid is not None, "only a paid order has a date"
        if paid.at == held.paid_at:
            return held, before
        day = self.program.expiry.last_valid_day(local_day(paid.at, self.program.zone))
        return replace(held, last_valid_day=day, paid_at=paid.at), before

    def _move_lot(self, change: Change, held: Award, before: date | None) -> tuple[Change, Award]:
        """Move what is left of the order's points from the old lot date to the new one; the balance stays.

        Points that had lapsed come back by it, so a debt is paid out of them first, as by every credit.
        """
        change = self._revive(change, replace(held, last_valid_day=before))
        held = replace(held, lapsed=0)
        out = lot_book.take(change.account.lots, held.granted, lambda lot: lot.expires_on == before)
        if not out:
            return change, held
        into, paid = pay_debt(change.account.debt, (LotChange(-lot_book.total(out), held.last_valid_day),))
        why = ({"paid_debt": paid},) if paid else ()
        draft = replace(self._draft(Kind.ADJUST, Reason.ORDER_REDATED), lots=(*out, *into), debt=-paid, why=why)
        return change.post(draft, self.moment), held

    def _earn(self, change: Change, held: Award, points: int) -> Change:
        if points == 0:
            return change
        why = tuple({**reason, "granted_before": held.granted} for reason in explain(self.order, held.rules))
        lots = (LotChange(points, held.last_valid_day),)
        draft = replace(self._draft(Kind.EARN, self._reason(growing=True)), lots=lots, why=why)
        return credit(change, draft, self.moment)

    def _overdue(self, change: Change, held: Award) -> int:
        """Points that lie in the order's own lot although its last valid day is past: they lapse at once."""
        own = (lot for lot in change.account.lots if lot.expires_on == held.last_valid_day)
        return sum(lot.points for lot in own if lot.expired(self.moment.today))

    def _revive(self, change: Change, held: Award) -> Change:
        """Turn the lapse of points round that had lapsed when they were awarded."""
        if not held.lapsed:
            return change
        lots = (LotChange(held.lapsed, held.last_valid_day),)
        draft = self._draft(Kind.EXPIRE, Reason.EXPIRY_REVERSED)
        return change.post(replace(draft, points=held.lapsed, lots=lots), self.moment)

    def _reason(self, *, growing: bool) -> Reason:
        match self.event.type:
            case EventType.REFUNDED:
                return Reason.ORDER_REFUNDED
            case EventType.CANCELLED:
                return Reason.ORDER_CANCELLED
            case EventType.PAID:
                amended = not growing or (self.event.paid is not None and self.event.paid.revision > 0)
                return Reason.ORDER_AMENDED if amended else Reason.ORDER_PAID

    def _draft(self, kind: Kind, reason: Reason) -> Draft:
        order = self.order
        source = order.order_id if order.shop == "standard" else f"{order.shop}:{order.order_id}"
        return Draft(kind=kind, reason=reason, source=Source("order", source), occurred_at=self.event.at)
