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
from typing import TYPE_CHECKING, Any

from jifen.domain import lots as lot_book
from jifen.domain.account import HOLDS_MAX, Account, Change, Status, as_of, caught_up, credit, debit, release
from jifen.domain.entries import Draft, Kind, Reason, Source, day_text, instant_text
from jifen.domain.errors import (
    AccountFrozen,
    Fault,
    HoldAlreadyResolved,
    HoldExpired,
    IdempotencyKeyReused,
    InsufficientPoints,
    InvalidInput,
    LimitReached,
)
from jifen.domain.lots import Changes, LotChange
from jifen.domain.money import CURRENCIES, Money, minor_per_unit
from jifen.domain.program import Moment, Program

if TYPE_CHECKING:
    from jifen.domain.views import CaptureView, HoldView, LotView, RedemptionView, RestoreView, VoidView

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


@dataclass(frozen=True, slots=True)
class Asked:
    """A request to spend: ``points`` (>= 1) under ``id``, with the fingerprint of the whole request."""

    id: str
    points: int
    fingerprint: str
    order_id: str | None = None
    order_total: Money | None = None
    reason: str | None = None
    actor: str = "system"


def redeem(account: Account, asked: Asked, program: Program, moment: Moment) -> tuple[Redemption, Change]:
    """Spend points at once, all or nothing.

    Raises:
        InsufficientPoints, AccountFrozen, LimitReached: nothing is changed.
    """
    discount = check_terms(asked, program)
    change, taken = _take(account, asked.points, moment)
    draft = Draft(
        kind=Kind.REDEEM,
        reason=asked.reason or Reason.REDEMPTION,
        source=Source("order", asked.order_id) if asked.order_id else Source("redemption", asked.id),
        occurred_at=moment.now,
        points=-asked.points,
        lots=taken,
        why=({"redemption": asked.id, "discount_minor": discount.amount_minor if discount else None},),
        actor=asked.actor,
    )
    change = change.post(draft, moment)
    spent = lot_book.reverse(taken)
    answer: RedemptionView = {
        "redemption_id": asked.id,
        "points": asked.points,
        "available": change.account.available(moment.today),
        "lots": lots_plain(spent),
    }
    if discount:
        answer["discount"] = {"amount_minor": discount.amount_minor, "currency": discount.currency}
    receipt = Receipt(asked.fingerprint, answer)
    return Redemption(asked.id, account.member, moment.now, spent, receipt, asked.order_id), change


def authorize(
    account: Account, asked: Asked, program: Program, expires_in_s: int | None, moment: Moment
) -> tuple[Hold, Change]:
    """Reserve points for a while.

    Raises:
        InsufficientPoints, AccountFrozen, LimitReached: nothing is changed.
        InvalidInput: ``expires_in_s`` is above the program's maximum.
    """
    seconds = program.holds.expires_in_s if expires_in_s is None else expires_in_s
    if not 1 <= seconds <= program.holds.max_expires_in_s:
        raise InvalidInput([Fault("expires_in_s", f"is not from 1 to {program.holds.max_expires_in_s}")])
    check_terms(asked, program)
    change, taken = _take(account, asked.points, moment)
    if len(change.account.holds) >= HOLDS_MAX:
        first = min(hold.expires_at for hold in change.account.holds)
        raise LimitReached(limit="open_holds", points=HOLDS_MAX, resets_at=first)
    expires_at = moment.now + timedelta(seconds=seconds)
    draft = Draft(
        kind=Kind.HOLD,
        reason=asked.reason or Reason.HOLD_AUTHORIZED,
        source=Source("order", asked.order_id) if asked.order_id else Source("hold", asked.id),
        occurred_at=moment.now,
        lots=taken,
        hold_id=asked.id,
        hold_lots=lot_book.reverse(taken),
        hold_expires_at=expires_at,
        why=({"hold": asked.id, "held": asked.points, "expires_at": instant_text(expires_at)},),
        actor=asked.actor,
    )
    change = change.post(draft, moment)
    answer: HoldView = {
        "hold_id": asked.id,
        "status": str(HoldStatus.AUTHORIZED),
        "points": asked.points,
        "expires_at": instant_text(expires_at),
        "available": change.account.available(moment.today),
    }
    hold = Hold(asked.id, account.member, moment.now, asked.points, expires_at, Receipt(asked.fingerprint, answer))
    return replace(hold, order_id=asked.order_id), change


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
        source=Source("order", hold.order_id) if hold.order_id else Source("hold", hold.id),
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


def restore(
    account: Account,
    document: Redemption | Hold,
    points: int | None,
    key: str,
    fingerprint: str,
    moment: Moment,
    actor: str,
) -> tuple[Redemption | Hold, Change]:
    """Put spent points back into the lots they came from, pro rata; in any number of parts, never more than was taken.

    Points whose lot has expired meanwhile go back to it and lapse at once (policy ``lapse``).

    Raises:
        InvalidInput: ``points`` is above what is still to be restored.
        LimitReached: this redemption was restored in too many parts.
    """
    left = lot_book.total(document.spent) - document.restored
    back = left if points is None else points
    if not 0 <= back <= left or (points is not None and points < 1):
        raise InvalidInput([Fault("points", f"is not from 1 to the {left} points that can still be restored")])
    if len(document.receipts) >= RECEIPTS_MAX and (back != left or not left):
        raise LimitReached(limit="restores_of_one_redemption", points=RECEIPTS_MAX)
    restored = document.restored + back
    returned = share_changes(document.spent, document.restored, restored)
    change = as_of(account, moment)
    if back:
        draft = Draft(
            kind=Kind.RESTORE,
            reason=Reason.REDEMPTION_RESTORED,
            source=Source("order", document.order_id) if document.order_id else Source("redemption", document.id),
            occurred_at=moment.now,
            lots=returned,
            why=({"redemption": document.id, "restored": restored, "of": lot_book.total(document.spent)},),
            actor=actor,
        )
        change = caught_up(credit(change, draft, moment), moment)
    answer: RestoreView = {
        "redemption_id": document.id,
        "points": back,
        "restored": restored,
        "available": change.account.available(moment.today),
        "lots": lots_plain(returned),
    }
    receipts = {**document.receipts, key: Receipt(fingerprint, answer)}
    return replace(document, restored=restored, receipts=receipts), change


def check_terms(asked: Asked, program: Program) -> Money | None:
    """What the points take off the order, once the program's limits allow it; None where no currency is known.

    Raises:
        LimitReached: naming the limit that bit and what it allows.
        InvalidInput: the order's total is in another currency than the program's.
    """
    terms, total = program.redemption, asked.order_total
    cap = terms.max_points_per_order
    if cap is not None and (total or asked.order_id) and asked.points > cap:
        raise LimitReached(limit="max_points_per_order", points=cap)
    currency = total.currency if total else program.currency
    if currency is None:
        return None
    if currency not in CURRENCIES or currency != (program.currency or currency):
        raise InvalidInput([Fault("order_total.currency", f"is not {program.currency or 'an ISO 4217 currency code'}")])
    unit = minor_per_unit(currency)
    if total is not None:
        share = terms.max_order_share if terms.max_order_share is not None else Fraction(1)
        most = terms.worth.points_within(total.amount_minor * share, unit)
        if asked.points > most:
            raise LimitReached(limit="max_order_share", points=most)
    return Money(terms.worth.taken_off(asked.points, unit), currency)


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


def lots_plain(changes: Changes) -> list[LotView]:
    """Lots as the API shows them."""
    return [lot_plain(change) for change in changes]


def lot_plain(lot: LotChange) -> LotView:
    """``{"points", "expires_on", "active_from"}`` with ISO days."""
    return {"points": lot.points, "expires_on": day_text(lot.expires_on), "active_from": day_text(lot.active_from)}


def _take(account: Account, points: int, moment: Moment) -> tuple[Change, Changes]:
    if account.status is not Status.ACTIVE:
        raise AccountFrozen(account_status=str(account.status))
    change = as_of(account, moment)
    taken = debit(change.account, points, moment)
    if taken is None:
        raise InsufficientPoints(asked=points, available=change.account.available(moment.today))
    return change, taken


def _still_open(account: Account, hold: Hold, moment: Moment) -> None:
    if hold.status is not HoldStatus.AUTHORIZED:
        raise HoldAlreadyResolved(status=str(hold.status))
    if hold.expires_at <= moment.now or account.hold(hold.id) is None:
        raise HoldExpired(expires_at=instant_text(hold.expires_at))
