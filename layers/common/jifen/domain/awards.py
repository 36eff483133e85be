"""Awards: from the state of an order to the entries that make the ledger agree with it.

    posting = entitled(order) - granted so far       positive: EARN    negative: CLAWBACK    nothing: no entry

The order document keeps what was granted, to whom, under which rules and into which lot date.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date

from jifen.domain import lots as lot_book
from jifen.domain.account import Change, as_of, credit
from jifen.domain.calendar import local_day
from jifen.domain.entries import Draft, Kind, Reason, Source
from jifen.domain.lots import LotChange
from jifen.domain.orders import Award, EventType, Order, OrderEvent
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
    touched: dict[str, Change] = {}
    if order.award and order.award.member != buyer:
        old = order.award.member
        change = as_of(changes[old].account, moment)
        change = _after(changes[old], change)
        change, _ = _clawback(
            change, order, order.award, order.award.granted, event, program.clawback, moment, Reason.ORDER_MOVED
        )
        touched[old] = change
        order = replace(order, award=None)
    if order.paid is None or buyer is None:
        return Awarded(order, touched)
    held = order.award or _first_award(order, buyer, program)
    change = touched.get(buyer, changes[buyer])
    settled, change = _settle(order, held, change, event, program, moment)
    if change is not changes[buyer]:
        touched[buyer] = change
    return Awarded(replace(order, award=settled), touched)


def _after(earlier: Change, later: Change) -> Change:
    return replace(later, entries=(*earlier.entries, *later.entries))


def _first_award(order: Order, buyer: str, program: Program) -> Award:
    assert order.paid is not None, "only a paid order is awarded"
    day = program.expiry.last_valid_day(local_day(order.paid.at, program.zone))
    return Award(
        buyer,
        granted=0,
        last_valid_day=day,
        rules=program.rules,
        currency=program.currency,
        paid_at=order.paid.at,
    )


def _settle(
    order: Order, held: Award, change: Change, event: OrderEvent, program: Program, moment: Moment
) -> tuple[Award, Change]:
    assert order.paid is not None, "only a paid order is settled"
    held, redated_from = _redate(order, held, program)
    worth = entitled(order, held.rules, held.currency)
    posting = worth - held.granted
    if posting == 0 and redated_from == held.last_valid_day:
        return held, change
    change = _after(change, as_of(change.account, moment))
    if redated_from != held.last_valid_day:
        change = _move_lot(change, order, held, redated_from, event, moment)
    if posting > 0:
        unforgiven = min(held.forgiven, posting)
        change = _earn(change, order, held, posting - unforgiven, event, moment)
        held = replace(held, forgiven=held.forgiven - unforgiven)
    elif posting < 0:
        change, forgiven = _clawback(change, order, held, -posting, event, program.clawback, moment)
        held = replace(held, forgiven=held.forgiven + forgiven)
    return replace(held, granted=worth), change


def _redate(order: Order, held: Award, program: Program) -> tuple[Award, date | None]:
    """The award at the lot date that the present paid state calls for, and the date it had before."""
    assert order.paid is not None, "only a paid order has a date"
    before = held.last_valid_day
    if order.paid.at == held.paid_at:
        return held, before
    day = program.expiry.last_valid_day(local_day(order.paid.at, program.zone))
    return replace(held, last_valid_day=day, paid_at=order.paid.at), before


def _move_lot(
    change: Change, order: Order, held: Award, before: date | None, event: OrderEvent, moment: Moment
) -> Change:
    """Move what is left of the order's points from the old lot date to the new one; the balance stays."""
    out = lot_book.take(change.account.lots, held.granted, lambda lot: lot.expires_on == before)
    if not out:
        return change
    into = LotChange(-lot_book.total(out), held.last_valid_day)
    draft = _draft(Kind.ADJUST, Reason.ORDER_REDATED, order, event)
    return change.post(replace(draft, lots=(*out, into)), moment)


def _earn(change: Change, order: Order, held: Award, points: int, event: OrderEvent, moment: Moment) -> Change:
    if points == 0:
        return change
    draft = _draft(Kind.EARN, _reason(event, growing=True), order, event)
    why = ({**reason, "granted_before": held.granted} for reason in explain(order, held.rules))
    return credit(change, replace(draft, lots=(LotChange(points, held.last_valid_day),), why=tuple(why)), moment)


def _clawback(
    change: Change,
    order: Order,
    held: Award,
    points: int,
    event: OrderEvent,
    policy: ClawbackPolicy,
    moment: Moment,
    reason: Reason | None = None,
) -> tuple[Change, int]:
    """Take ``points`` back: the order's own lot date first, then soonest-expiring; what is missing follows the policy.

    Returns:
        The change, and the points that policy ``clamp`` forgave.
    """
    if points == 0:
        return change, 0
    taken = lot_book.take(
        change.account.lots, points, lambda lot: not lot.expired(moment.today), first=held.last_valid_day
    )
    missing = points + lot_book.total(taken)
    forgiven = missing if policy is ClawbackPolicy.CLAMP else 0
    owed = missing - forgiven
    why: dict[str, object] = {"granted_before": held.granted, "policy": str(policy)}
    if missing:
        why |= {"owed": owed, "forgiven": forgiven}
    draft = _draft(Kind.CLAWBACK, reason or _reason(event, growing=False), order, event)
    draft = replace(draft, points=forgiven - points, lots=taken, debt=owed, why=(*explain(order, held.rules), why))
    return (change.post(draft, moment) if forgiven < points else change), forgiven


def _reason(event: OrderEvent, *, growing: bool) -> Reason:
    match event.type:
        case EventType.REFUNDED:
            return Reason.ORDER_REFUNDED
        case EventType.CANCELLED:
            return Reason.ORDER_CANCELLED
        case EventType.PAID:
            amended = not growing or (event.paid is not None and event.paid.revision > 0)
            return Reason.ORDER_AMENDED if amended else Reason.ORDER_PAID


def _draft(kind: Kind, reason: Reason, order: Order, event: OrderEvent) -> Draft:
    source = Source("order", f"{order.shop}:{order.order_id}" if order.shop != "standard" else order.order_id)
    return Draft(kind=kind, reason=reason, source=source, occurred_at=event.at)
