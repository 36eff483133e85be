"""Points used on an order follow it: what goes back when the order, or a part of it, is given back.

    cancelled                ──> open holds are voided, everything spent goes back
    refunded in any parts    ──> of each redemption or captured hold: floor(spent x the part of the order given back)

The part given back is a function of what is known of the order, so any order of arrival ends the same. Restored points
are never taken again: a person may have restored more already, and an order may come back that was given back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from fractions import Fraction

from jifen.domain import lots as lot_book
from jifen.domain.account import Change, caught_up, release
from jifen.domain.entries import Reason
from jifen.domain.errors import LimitReached, OrderCancelled
from jifen.domain.orders import LineKind, Order, Paid, given_back_minor, is_given_back
from jifen.domain.program import Moment, Program
from jifen.domain.spending import Because, Hold, HoldStatus, Redemption, put_back

USED_MAX = 20
"""Redemptions and holds that one order remembers, those left out that can come to nothing any more."""

MEMBER_USED_MAX = 5
"""Those of one member among them, so that nobody takes all places of an order that is somebody else's."""

OVER_AFTER = timedelta(hours=1)
"""Beyond the end of a hold no clock of ours is so late that it could still be captured."""

_GOODS = frozenset({LineKind.GOODS})
_ALL = frozenset(LineKind) - {LineKind.DISCOUNT, LineKind.POINTS}
_NOTHING, _WHOLE = Fraction(0), Fraction(1)


@dataclass(frozen=True, slots=True)
class Followed:
    """A redemption or hold with its member's account, once they are as the order calls for.

    ``returned`` are the points that went back, ``voided`` those of a hold that was voided.
    """

    document: Redemption | Hold
    change: Change
    returned: int = 0
    voided: int = 0


def is_gone(order: Order) -> bool:
    """Whether an order is cancelled or given back in full, so that it takes no points."""
    return given_back(order) == _WHOLE


def using(order: Order, name: str) -> Order:
    """The order once it knows that the points of redemption or hold ``name`` pay a part of it.

    Raises:
        OrderCancelled: or nothing of it is left that points could pay for.
        LimitReached
    """
    if order.cancelled:
        raise OrderCancelled
    if is_gone(order):
        message = "Everything of the order was given back."
        raise OrderCancelled(message)
    if name in order.used:
        return order
    if len(order.used) >= USED_MAX:
        raise LimitReached(limit="redemptions_of_one_order", points=USED_MAX)
    if _of_one_member(order.used)[_owner(name)] >= MEMBER_USED_MAX:
        raise LimitReached(limit="redemptions_of_one_order_and_member", points=MEMBER_USED_MAX)
    return replace(order, used=(*order.used, name))


def looked_through(order: Order, documents: Sequence[Redemption | Hold], moment: Moment) -> tuple[Order, int]:
    """The order, and the points that pay a part of it: those of ``documents``, which are what it names.

    An order that names as many as it can, of all or of one member, forgets those that no change of it can touch any
    more.
    """
    idle = {document.id for document in documents if _is_idle(document, moment)}
    used = sum(_in_use(document, moment) for document in documents)
    if len(order.used) < USED_MAX and max(_of_one_member(order.used).values(), default=0) < MEMBER_USED_MAX:
        return order, used
    return replace(order, used=tuple(name for name in order.used if name not in idle)), used


def _owner(name: str) -> str:
    """Whose a redemption or hold is, as its id has it."""
    return name.partition(".")[2].partition(".")[0]


def _of_one_member(names: Sequence[str]) -> Counter[str]:
    return Counter(map(_owner, names))


def _in_use(document: Redemption | Hold, moment: Moment) -> int:
    if isinstance(document, Hold) and document.status is HoldStatus.AUTHORIZED:
        return document.points if document.expires_at > moment.now else 0
    return lot_book.total(document.spent) - document.restored


def _is_idle(document: Redemption | Hold, moment: Moment) -> bool:
    if isinstance(document, Hold):
        if document.status is HoldStatus.VOIDED:
            return True
        if document.status is HoldStatus.AUTHORIZED:
            return document.expires_at + OVER_AFTER <= moment.now
    return document.restored == lot_book.total(document.spent)


def follow(
    document: Redemption | Hold, order: Order, change: Change, program: Program, moment: Moment, at: datetime
) -> Followed:
    """Bring a redemption or hold to what its order calls for; the same document when nothing does.

    A hold that time has released stays so. One that was not captured is written anew by every refund and cancellation,
    so that a capture that has not seen it fails and looks again, and one that was not seen here makes us look again.

    Args:
        document: of those that the order names.
        order: as it is known now.
        change: the account of the document's member, as far as this transaction has come.
        program: for what becomes of points that have expired meanwhile.
        moment: when this is decided.
        at: when the order changed, in the outside world.
    """
    if isinstance(document, Hold) and document.status is HoldStatus.AUTHORIZED:
        return _voided(document, change, moment, at) if order.cancelled else Followed(replace(document), change)
    whole = lot_book.total(document.spent)
    due = due_back(whole, given_back(order))
    if due <= document.restored:
        return Followed(document, change)
    reason = Reason.ORDER_CANCELLED if order.cancelled else Reason.ORDER_REFUNDED
    before = document.restored
    document, change, _ = put_back(document, due, caught_up(change, moment), program, moment, Because(reason, at))
    return Followed(document, change, returned=due - before)


def _voided(hold: Hold, change: Change, moment: Moment, at: datetime) -> Followed:
    change = caught_up(change, moment)
    still_open = change.account.hold(hold.id)
    if still_open is None:
        # Lapsed; or captured since the hold was read, which the account shows already: then writing it anew fails.
        return Followed(replace(hold), change)
    change = release(change, still_open, moment, Reason.ORDER_CANCELLED, occurred_at=at)
    return Followed(replace(hold, status=HoldStatus.VOIDED), change, voided=hold.points)


def returned_too_much(document: Redemption | Hold, order: Order) -> int:
    """Points of a redemption or hold that went back although its order, as it is now, does not call for it."""
    return max(0, document.restored - due_back(lot_book.total(document.spent), given_back(order)))


def due_back(spent: int, part: Fraction) -> int:
    """How many of ``spent`` points are due back in all once ``part`` of their order was given back; rounded down."""
    return spent * part.numerator // part.denominator


def given_back(order: Order) -> Fraction:
    """The part of an order that was given back, from 0 to 1; of one that is not paid nothing, of a cancelled one all.

    Each refund counts for itself and none for more than the whole:

        with lines      its goods / the order's goods less discounts; what points paid is a part of the price
        without lines   its total / what of that was paid in money

    An order without goods goes by all its lines, and one whose discounts leave nothing by its lines as priced. Where
    points paid for everything, the total of a refund without lines is compared with the price as well.
    """
    paid = order.paid
    if order.cancelled:
        return _WHOLE
    if paid is None:
        return _NOTHING
    if not paid.lines:
        return _NOTHING if order.shop == "standard" else _WHOLE
    back = sum((line.amount_minor for line in paid.lines if is_given_back(line)), 0)
    if not order.refunds and not back:
        return _NOTHING
    kinds, price, in_money = _price(paid)
    known = {line.number: line.kind for line in paid.lines}
    part = _part(back, price)
    for refund in order.refunds.values():
        if refund.currency == paid.currency:
            part += _part(given_back_minor(refund, known, kinds), price if refund.lines else in_money)
    return min(part, _WHOLE)


def _price(paid: Paid) -> tuple[frozenset[LineKind], int, int]:
    """The kinds of lines that count, their price, and what of it was paid in money."""
    kinds = _GOODS
    gross = sum(line.amount_minor for line in paid.lines if line.kind in kinds)
    if not gross:
        kinds = _ALL
        gross = sum(line.amount_minor for line in paid.lines if line.kind in kinds)
    discounts = sum(
        line.amount_minor for line in paid.lines if line.kind is LineKind.DISCOUNT and not is_given_back(line)
    )
    price = gross - discounts if gross > discounts else gross
    points = sum(line.amount_minor for line in paid.lines if line.kind is LineKind.POINTS)
    return kinds, price, price - points if price > points else price


def _part(back: int, of: int) -> Fraction:
    return min(Fraction(back, of), _WHOLE) if of else _NOTHING
