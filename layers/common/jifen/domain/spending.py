"""Spending: redemptions, restores and two-phase holds.

    hold   AUTHORIZED ──capture──> CAPTURED      part captured, the rest released
                      ──void─────> VOIDED
                      ──time─────> EXPIRED       told by the clock, written down by the next posting or sweep

A document (:class:`Redemption`, :class:`Hold`) is the fact behind a posting and remembers the answers it gave: a
retried request gets the same answer, and the same idempotency key with another request is refused.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from jifen.domain import lots as lot_book
from jifen.domain.account import HOLDS_MAX, Account, Change, as_of, release
from jifen.domain.checkout import Basket, Checkout, checkout, counted
from jifen.domain.debits import FREE, Guard, give_back, may_spend, take
from jifen.domain.entries import Draft, Kind, Reason, Source, day_text, instant_text
from jifen.domain.errors import (
    Fault,
    HoldAlreadyResolved,
    HoldExpired,
    IdempotencyKeyReused,
    InvalidInput,
    LimitReached,
)
from jifen.domain.lots import Changes, LotChange
from jifen.domain.money import Money
from jifen.domain.program import Moment, Program

if TYPE_CHECKING:
    from jifen.domain.views import CaptureView, HoldView, LotView, MoneyView, RedemptionView, RestoreView, VoidView

RECEIPTS_MAX = 200
"""The most restores in parts that one redemption remembers; the whole rest can always be restored."""

Answer = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Receipt:
    """The answer given to a request, and the fingerprint of that request."""

    fingerprint: str
    answer: Answer

    def again(self, fingerprint: str) -> Answer:
        """The stored answer for a retry.

        Raises:
            IdempotencyKeyReused: the key belongs to another request.
        """
        if fingerprint != self.fingerprint:
            raise IdempotencyKeyReused
        return self.answer


@dataclass(frozen=True, slots=True)
class Redemption:
    """Points spent at once. ``spent`` are the lots they came from (positive), ``restored`` how many went back."""

    id: str
    member: str
    at: datetime
    spent: Changes
    receipt: Receipt
    order_id: str | None = None
    restored: int = 0
    receipts: Mapping[str, Receipt] = field(default_factory=dict)
    shop: str = "standard"
    version: int = 0


class HoldStatus(StrEnum):
    """The state of a hold; EXPIRED is never stored, the clock tells it."""

    AUTHORIZED = "AUTHORIZED"
    CAPTURED = "CAPTURED"
    VOIDED = "VOIDED"
    EXPIRED = "EXPIRED"


@dataclass(frozen=True, slots=True)
class Hold:
    """Points reserved, then spent or given back. ``spent`` are the captured lots; a captured hold can be restored."""

    id: str
    member: str
    at: datetime
    points: int
    expires_at: datetime
    receipt: Receipt
    status: HoldStatus = HoldStatus.AUTHORIZED
    spent: Changes = ()
    order_id: str | None = None
    restored: int = 0
    receipts: Mapping[str, Receipt] = field(default_factory=dict)
    shop: str = "standard"
    version: int = 0


Spent = TypeVar("Spent", Redemption, Hold, Redemption | Hold)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request to spend: ``points`` (>= 1) under ``id``, with the fingerprint of the whole request.

    ``basket`` are the order's lines; ``up_to`` asks for as many points as can be used, at most ``points``; ``used`` are
    points that pay a part of the order already.
    """

    id: str
    points: int
    fingerprint: str
    order_id: str | None = None
    order_total: Money | None = None
    reason: str | None = None
    actor: str = "system"
    shop: str = "standard"
    basket: Basket | None = None
    up_to: bool = False
    used: int = 0

    @property
    def source(self) -> Source | None:
        """The order that the points pay a part of, as entries name it."""
        return order_source(self.shop, self.order_id) if self.order_id else None


def order_source(shop: str, order_id: str) -> Source:
    """An order as entries name it: by its id, and by its shop too where that is not the shop's own server."""
    return Source("order", order_id if shop == "standard" else f"{shop}:{order_id}")


def redeem(
    account: Account, asked: Asked, program: Program, moment: Moment, guard: Guard = FREE
) -> tuple[Redemption, Change]:
    """Spend points at once, all or nothing.

    Raises:
        InsufficientPoints, AccountFrozen, LimitReached, PasswordRequired: nothing is changed.
        InvalidInput: the order is in another currency than the program's.
    """
    change, taken, discount = _taken(account, asked, program, moment, guard)
    spent = lot_book.reverse(taken)
    points = lot_book.total(spent)
    draft = Draft(
        kind=Kind.REDEEM,
        reason=asked.reason or Reason.REDEMPTION,
        source=asked.source or Source("redemption", asked.id),
        occurred_at=moment.now,
        points=-points,
        lots=taken,
        why=({"redemption": asked.id, "discount_minor": discount.amount_minor if discount else None},),
        actor=asked.actor,
    )
    change = change.post(draft, moment)
    answer: RedemptionView = {
        "redemption_id": asked.id,
        "points": points,
        "available": change.account.available(moment.today),
        "lots": lots_plain(spent),
    }
    if discount:
        answer["discount"] = money_plain(discount)
    receipt = Receipt(asked.fingerprint, answer)
    redemption = Redemption(asked.id, account.member, moment.now, spent, receipt, asked.order_id)
    return replace(redemption, shop=asked.shop), change


def authorize(
    account: Account,
    asked: Asked,
    program: Program,
    expires_in_s: int | None,
    moment: Moment,
    guard: Guard = FREE,
) -> tuple[Hold, Change]:
    """Reserve points for a while. What it uses of the limits on a day stays used, whatever becomes of it.

    Raises:
        InsufficientPoints, AccountFrozen, LimitReached, PasswordRequired: nothing is changed.
        InvalidInput: ``expires_in_s`` is above the program's maximum, or the order is in another currency.
    """
    seconds = program.holds.expires_in_s if expires_in_s is None else expires_in_s
    if not 1 <= seconds <= program.holds.max_expires_in_s:
        raise InvalidInput([Fault("expires_in_s", f"is not from 1 to {program.holds.max_expires_in_s}")])
    change, taken, discount = _taken(account, asked, program, moment, guard)
    reserved = lot_book.reverse(taken)
    points = lot_book.total(reserved)
    if len(change.account.holds) >= HOLDS_MAX:
        first = min(hold.expires_at for hold in change.account.holds)
        raise LimitReached(limit="open_holds", points=HOLDS_MAX, resets_at=first)
    expires_at = moment.now + timedelta(seconds=seconds)
    draft = Draft(
        kind=Kind.HOLD,
        reason=asked.reason or Reason.HOLD_AUTHORIZED,
        source=asked.source or Source("hold", asked.id),
        occurred_at=moment.now,
        lots=taken,
        hold_id=asked.id,
        hold_lots=reserved,
        hold_expires_at=expires_at,
        why=({"hold": asked.id, "held": points, "expires_at": instant_text(expires_at)},),
        actor=asked.actor,
    )
    change = change.post(draft, moment)
    answer: HoldView = {
        "hold_id": asked.id,
        "status": str(HoldStatus.AUTHORIZED),
        "points": points,
        "expires_at": instant_text(expires_at),
        "available": change.account.available(moment.today),
    }
    if discount:
        answer["discount"] = money_plain(discount)
    hold = Hold(asked.id, account.member, moment.now, points, expires_at, Receipt(asked.fingerprint, answer))
    return replace(hold, order_id=asked.order_id, shop=asked.shop), change


def capture(
    account: Account, hold: Hold, points: int | None, key: str, fingerprint: str, moment: Moment, actor: str = "system"
) -> tuple[Hold, Change]:
    """Spend all of a hold or ``points`` of it; the rest goes back to its lots.

    Raises:
        HoldAlreadyResolved, HoldExpired: nothing is changed.
        InvalidInput: ``points`` is above the hold.
    """
    _still_open(account, hold, moment)
    spend = hold.points if points is None else points
    if not 1 <= spend <= hold.points:
        raise InvalidInput([Fault("points", f"is not from 1 to the {hold.points} points of the hold")])
    change = as_of(account, moment)
    open_hold = change.account.hold(hold.id)
    assert open_hold is not None, "an open hold is in its account"
    used = lot_book.take(open_hold.lots, spend, lambda _lot: True)
    draft = Draft(
        kind=Kind.REDEEM,
        reason=Reason.HOLD_CAPTURED,
        source=order_source(hold.shop, hold.order_id) if hold.order_id else Source("hold", hold.id),
        occurred_at=moment.now,
        points=-spend,
        hold_id=hold.id,
        hold_lots=used,
        why=({"hold": hold.id, "captured": spend, "of": hold.points},),
        actor=actor,
    )
    change = change.post(draft, moment)
    rest = change.account.hold(hold.id)
    if rest is not None:
        change = release(change, rest, moment, Reason.HOLD_REMAINDER, occurred_at=moment.now)
    spent = lot_book.reverse(used)
    answer: CaptureView = {
        "hold_id": hold.id,
        "redemption_id": hold.id,
        "status": str(HoldStatus.CAPTURED),
        "points": spend,
        "released": hold.points - spend,
        "available": change.account.available(moment.today),
        "lots": lots_plain(spent),
    }
    receipts = {**hold.receipts, key: Receipt(fingerprint, answer)}
    return replace(hold, status=HoldStatus.CAPTURED, spent=spent, receipts=receipts), change


def void(account: Account, hold: Hold, key: str, fingerprint: str, moment: Moment) -> tuple[Hold, Change]:
    """Give all of a hold back to its lots.

    Raises:
        HoldAlreadyResolved, HoldExpired: nothing is changed.
    """
    _still_open(account, hold, moment)
    change = as_of(account, moment)
    open_hold = change.account.hold(hold.id)
    assert open_hold is not None, "an open hold is in its account"
    change = release(change, open_hold, moment, Reason.HOLD_VOIDED, occurred_at=moment.now)
    answer: VoidView = {
        "hold_id": hold.id,
        "status": str(HoldStatus.VOIDED),
        "points": 0,
        "released": hold.points,
        "available": change.account.available(moment.today),
    }
    receipts = {**hold.receipts, key: Receipt(fingerprint, answer)}
    return replace(hold, status=HoldStatus.VOIDED, receipts=receipts), change


class RestoreAsked(NamedTuple):
    """A request to restore ``points`` (None: all that is left) under an idempotency key."""

    points: int | None
    key: str
    fingerprint: str
    actor: str


def restore(
    account: Account, document: Redemption | Hold, asked: RestoreAsked, program: Program, moment: Moment
) -> tuple[Redemption | Hold, Change]:
    """Put spent points back into the lots they came from, pro rata; in any number of parts, never more than was taken.

    What has expired meanwhile follows the program's policy. The answer's ``lots`` are those that the points went to.

    Raises:
        InvalidInput: the points are more than can still be restored.
        LimitReached: this redemption was restored in too many parts.
    """
    points = asked.points
    left = lot_book.total(document.spent) - document.restored
    back = left if points is None else points
    if not 0 <= back <= left or (points is not None and points < 1):
        raise InvalidInput([Fault("points", f"is not from 1 to the {left} points that can still be restored")])
    if len(document.receipts) >= RECEIPTS_MAX and (back != left or not left):
        raise LimitReached(limit="restores_of_one_redemption", points=RECEIPTS_MAX)
    because = Because(Reason.REDEMPTION_RESTORED, moment.now, asked.actor)
    change = as_of(account, moment)
    returned: Changes = ()
    if back:
        document, change, returned = put_back(document, document.restored + back, change, program, moment, because)
    answer: RestoreView = {
        "redemption_id": document.id,
        "points": back,
        "restored": document.restored,
        "available": change.account.available(moment.today),
        "lots": lots_plain(returned),
    }
    receipts = {**document.receipts, asked.key: Receipt(asked.fingerprint, answer)}
    return replace(document, receipts=receipts), change


class Because(NamedTuple):
    """Why points go back: the reason, when that happened in the outside world, and who did it."""

    reason: Reason
    at: datetime
    actor: str = "system"


def put_back(
    document: Spent, restored: int, change: Change, program: Program, moment: Moment, because: Because
) -> tuple[Spent, Change, Changes]:
    """Put so much of what was spent back that ``restored`` points are, more than before; debt is paid first.

    Returns:
        The document, its member's account (to be given as it is at ``moment``), and the lots that the points went to,
        under the policy ``grace`` with the new last valid day of those that had expired.
    """
    whole = lot_book.total(document.spent)
    assert document.restored < restored <= whole, "points go back once"
    draft = Draft(
        kind=Kind.RESTORE,
        reason=because.reason,
        source=order_source(document.shop, document.order_id)
        if document.order_id
        else Source("redemption", document.id),
        occurred_at=because.at,
        why=({"redemption": document.id, "restored": restored, "of": whole},),
        actor=because.actor,
    )
    returned = share_changes(document.spent, document.restored, restored)
    change, returned = give_back(change, returned, draft, program, moment)
    return replace(document, restored=restored), change, returned


def at_checkout(asked: Asked, program: Program) -> Checkout:
    """The checkout of the order that points are asked for, or of none.

    Raises:
        InvalidInput: the order is in another currency than the program's.
    """
    of_order = asked.order_id is not None
    return checkout(program, asked.basket, asked.order_total, of_order=of_order, used=asked.used)


def share_out(parts: tuple[int, ...], units: int) -> tuple[int, ...]:
    """Share ``units`` among ``parts`` in proportion to their size, whole and monotone.

    The divisor method of Sainte-Lague: more units never make any share smaller, and all units give back every part
    exactly, so restoring in steps ends where restoring at once does. Ties go to the earlier part.
    """
    whole = sum(parts)
    if not 0 <= units <= whole:
        message = f"{units} units cannot be shared among {whole}"
        raise ValueError(message)
    shares = [max(0, part * units // whole - len(parts)) if whole else 0 for part in parts]
    queue = [
        (Fraction(2 * share + 1, part), index)
        for index, (part, share) in enumerate(zip(parts, shares, strict=True))
        if part
    ]
    heapq.heapify(queue)
    for _ in range(units - sum(shares)):
        _, index = queue[0]
        shares[index] += 1
        heapq.heapreplace(queue, (Fraction(2 * shares[index] + 1, parts[index]), index))
    return tuple(shares)


def share_changes(spent: Changes, before: int, after: int) -> Changes:
    """The part of ``spent`` that goes back when the restored points grow from ``before`` to ``after``."""
    sizes = tuple(change.points for change in spent)
    gone, due = share_out(sizes, before), share_out(sizes, after)
    return tuple(
        replace(change, points=now - then) for change, then, now in zip(spent, gone, due, strict=True) if now > then
    )


def money_plain(money: Money) -> MoneyView:
    """Money as the API shows it."""
    return {"amount_minor": money.amount_minor, "currency": money.currency}


def lots_plain(changes: Changes) -> list[LotView]:
    """Lots as the API shows them."""
    return [lot_plain(change) for change in changes]


def lot_plain(lot: LotChange) -> LotView:
    """``{"points", "expires_on", "active_from"}`` with ISO days."""
    return {"points": lot.points, "expires_on": day_text(lot.expires_on), "active_from": day_text(lot.active_from)}


def _taken(
    account: Account, asked: Asked, program: Program, moment: Moment, guard: Guard
) -> tuple[Change, Changes, Money | None]:
    """The account with the use of its limits counted, the lots (negative) that points come from, what they take off."""
    desk = at_checkout(asked, program)
    points = asked.points
    if asked.up_to:
        may_spend(account)
        now = as_of(account, moment).account
        points = desk.up_to(points, now.standing, now.available(moment.today), moment)
    discount = desk.check(points)
    change, taken = take(account, points, moment, counted(program.redemption), guard)
    return change, taken, discount


def _still_open(account: Account, hold: Hold, moment: Moment) -> None:
    if hold.status is not HoldStatus.AUTHORIZED:
        raise HoldAlreadyResolved(status=str(hold.status))
    if hold.expires_at <= moment.now or account.hold(hold.id) is None:
        raise HoldExpired(expires_at=instant_text(hold.expires_at))
