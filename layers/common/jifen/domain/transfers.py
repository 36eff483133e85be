"""Points given to a friend: out of one account and into another, in one transaction.

SENT ──cancel──> CANCELED        by the sender, while the receiver cannot use the points yet

    sender  -100  lots as a debit takes them, soonest-expiring first
    receiver +100  lots of the same last valid days, usable after the cooling days; a debt is paid first

Points keep their last valid day, so passing them on makes none live longer, however often it is done.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum

from jifen.domain import debits, limits
from jifen.domain import lots as lot_book
from jifen.domain.account import Account, Change, Status, as_of, caught_up, credit
from jifen.domain.debits import FREE, Guard
from jifen.domain.entries import Draft, Kind, Reason, Source
from jifen.domain.errors import (
    AccountFrozen,
    Fault,
    InvalidInput,
    LimitReached,
    NotOffered,
    RecipientUnavailable,
    TransferFinal,
    WrongStatus,
)
from jifen.domain.limits import POINTS, TIMES, MemberLimit, Use
from jifen.domain.lots import LOTS_MAX, Changes, Lot, LotChange
from jifen.domain.program import Moment, Program, TransferTerms
from jifen.domain.rules.model import Per

GIVEN, RECEIVED = "transfer", "received"
"""Subjects of the counters of what a member gives, and of what a member is given."""

Counted = tuple[tuple[str, str, str], ...]
"""The limits that something was counted against, each as subject, stretch and unit."""


class TransferStatus(StrEnum):
    """The state of a transfer."""

    SENT = "SENT"
    CANCELED = "CANCELED"


@dataclass(frozen=True, slots=True)
class Transfer:
    """One transfer.

    Attributes:
        id, member: the sender's; the id names the sender.
        to: the receiver.
        points: how many.
        at: when.
        sent: the lots they came from (positive).
        received: the lots they went into; short of ``points`` by what paid a debt.
        active_from: the first day on which the receiver can use them; None for at once.
        note: what the sender wrote.
        status: see :class:`TransferStatus`.
        counted, counted_to: the limits of sender and receiver that it was counted against.
        canceled_at: when it was cancelled.
        version: counts writes; 0 is one never written.
    """

    id: str
    member: str
    to: str
    points: int
    at: datetime
    sent: Changes
    received: Changes
    active_from: date | None = None
    note: str = ""
    status: TransferStatus = TransferStatus.SENT
    counted: Counted = ()
    counted_to: Counted = ()
    canceled_at: datetime | None = None
    version: int = 0

    @property
    def handed_over(self) -> Changes:
        """The lots as the receiver gets them, before a debt is paid: what both sides may know."""
        return handed_over(self.sent, self.active_from)


@dataclass(frozen=True, slots=True)
class Gift:
    """What is asked for: ``points`` (>= 1) of ``member`` for ``to``, under the transfer's id."""

    id: str
    member: str
    to: str
    points: int
    note: str = ""
    actor: str = "system"


@dataclass(frozen=True, slots=True)
class Moved:
    """A transfer that was decided, with both accounts."""

    transfer: Transfer
    sender: Change
    receiver: Change


def check(gift: Gift, terms: TransferTerms) -> None:
    """See that a gift is one that the program allows, whatever the accounts are like.

    Raises:
        NotOffered: members of this program give nothing.
        InvalidInput: it is for the sender.
        LimitReached: it is smaller or larger than one transfer may be.
    """
    if not terms.enabled:
        raise NotOffered
    if gift.to == gift.member:
        raise InvalidInput([Fault("to", "is the member whose points they are")])
    if gift.points < terms.min_points:
        raise LimitReached(limit="transfer_min_points", points=terms.min_points)
    if terms.max_points is not None and gift.points > terms.max_points:
        raise LimitReached(limit="transfer_max_points", points=terms.max_points)


def send(
    sender: Account, receiver: Account, gift: Gift, program: Program, moment: Moment, guard: Guard = FREE
) -> Moved:
    """Take the points out of one account and put them into the other.

    The sender is judged first: who has not got the points learns nothing of the receiver.

    Raises:
        NotOffered, InvalidInput, LimitReached, AccountFrozen, PasswordRequired, InsufficientPoints
        RecipientUnavailable: the receiver cannot be given points; the reason is not the sender's to know.
    """
    terms = program.transfers
    check(gift, terms)
    of_sender, of_receiver = _limits_of_sender(terms), _limits_of_receiver(terms)
    out, taken = debits.take(sender, gift.points, moment, of_sender, guard)
    sent = lot_book.reverse(taken)
    active_from = moment.today + timedelta(days=terms.cooling_days) if terms.cooling_days else None
    into = _opened(receiver, terms, moment)
    use = Use(gift.points)
    limits.check(into.account.standing, of_receiver, use, moment)
    if of_receiver:
        into = into.remember(limits.used(into.account.standing, of_receiver, use, moment))
    before = into.account
    into = credit(_tidied(into, moment), _received(gift, handed_over(sent, active_from), active_from, moment), moment)
    if len(into.account.lots) > max(LOTS_MAX, len(before.lots)):
        raise RecipientUnavailable
    entry = next(one for one in into.entries if one.draft.kind is Kind.TRANSFER_IN)
    transfer = Transfer(
        gift.id,
        gift.member,
        gift.to,
        gift.points,
        moment.now,
        sent,
        entry.draft.lots,
        active_from,
        gift.note,
        counted=_counted(of_sender),
        counted_to=_counted(of_receiver),
    )
    return Moved(transfer, out.post(_given(gift, taken, active_from, moment), moment), into)


def cancel(
    sender: Account, receiver: Account, transfer: Transfer, program: Program, moment: Moment, actor: str
) -> Moved:
    """Take a transfer back: the points go from the receiver's lots into the sender's own.

    Raises:
        WrongStatus: it was taken back before.
        TransferFinal: the receiver can use the points, or they are not all there any more.
        AccountFrozen: the sender's account is no longer one that points can go back to.
    """
    if transfer.status is not TransferStatus.SENT:
        raise WrongStatus(status_now=str(transfer.status), needs=[str(TransferStatus.SENT)])
    if sender.status not in {Status.ACTIVE, Status.FROZEN}:
        raise AccountFrozen(account_status=str(sender.status))
    out = as_of(receiver, moment)
    taken = _taken(out.account, transfer, moment)
    if taken is None:
        raise TransferFinal(active_from=transfer.active_from.isoformat() if transfer.active_from else None)
    then = program.moment(transfer.at)
    out = _uncounted(out, transfer.counted_to, transfer, moment, then)
    why = {"transfer": transfer.id, "cancelled": transfer.points}
    draft = Draft(
        kind=Kind.TRANSFER_OUT,
        reason=Reason.TRANSFER_CANCELLED,
        source=Source("transfer", transfer.id),
        occurred_at=moment.now,
        points=-transfer.points,
        lots=taken,
        why=({**why, "to": transfer.member},),
        actor=actor,
    )
    out = out.post(draft, moment)
    back = replace(draft, kind=Kind.TRANSFER_IN, points=0, lots=transfer.sent, why=({**why, "from": transfer.to},))
    into = _uncounted(as_of(sender, moment), transfer.counted, transfer, moment, then)
    into = caught_up(credit(into, back, moment), moment)
    return Moved(replace(transfer, status=TransferStatus.CANCELED, canceled_at=moment.now), into, out)


def handed_over(sent: Changes, active_from: date | None) -> Changes:
    """Lots as the receiver gets them: the same last valid days, usable from ``active_from`` on.

    What lapses before that can be used on its last valid day: no point is given that nobody could use.
    """
    found: dict[tuple[date | None, date | None], int] = {}
    for lot in sent:
        usable = min(active_from, lot.expires_on or date.max) if active_from else None
        found[lot.expires_on, usable] = found.get((lot.expires_on, usable), 0) + lot.points
    return tuple(LotChange(points, *dates) for dates, points in found.items())


def _limits_of_sender(terms: TransferTerms) -> tuple[MemberLimit, ...]:
    asked = (
        ("transfer_points_per_day", Per.DAY, POINTS, terms.points_per_day),
        ("transfer_times_per_day", Per.DAY, TIMES, terms.times_per_day),
        ("transfer_points_per_month", Per.MONTH, POINTS, terms.points_per_month),
    )
    return tuple(MemberLimit(name, GIVEN, per, unit, most) for name, per, unit, most in asked if most is not None)


def _limits_of_receiver(terms: TransferTerms) -> tuple[MemberLimit, ...]:
    most = terms.received_per_day
    return (MemberLimit("transfer_received_per_day", RECEIVED, Per.DAY, POINTS, most),) if most is not None else ()


def _counted(by: tuple[MemberLimit, ...]) -> Counted:
    return tuple((limit.subject, str(limit.per), limit.unit) for limit in by)


def _uncounted(change: Change, counted: Counted, transfer: Transfer, moment: Moment, then: Moment) -> Change:
    """The change with what the transfer used of limits given back."""
    if not counted:
        return change
    by = [MemberLimit("", subject, Per(per), unit, 0) for subject, per, unit in counted]
    return change.remember(limits.unused(change.account.standing, by, Use(transfer.points), moment, then))


def _opened(receiver: Account, terms: TransferTerms, moment: Moment) -> Change:
    """The receiver's account as it is now.

    Raises:
        RecipientUnavailable
    """
    unknown = not receiver.revision and terms.known_only
    if receiver.status is not Status.ACTIVE or unknown:
        raise RecipientUnavailable
    return as_of(receiver, moment)


def _tidied(change: Change, moment: Moment) -> Change:
    """An account of many lots with those joined that differ only in a day on which they became active long since."""
    lots = change.account.lots
    if len(lots) < LOTS_MAX:
        return change
    moves: list[LotChange] = []
    for lot in lots:
        if lot.active_from and lot.spendable(moment.today):
            moves += [LotChange(-lot.points, lot.expires_on, lot.active_from), LotChange(lot.points, lot.expires_on)]
    if not moves:
        return change
    draft = Draft(
        kind=Kind.ADJUST,
        reason=Reason.LOTS_COMPACTED,
        source=Source("account", change.account.member),
        occurred_at=moment.now,
        lots=tuple(moves),
        why=({"lots_max": LOTS_MAX},),
    )
    return change.post(draft, moment)


def _taken(receiver: Account, transfer: Transfer, moment: Moment) -> Changes | None:
    """What takes the transfer out of the lots it went into; None where its points are not all there, or can be used.

    Points that a policy of validity has moved to another last day are found by their first day of use.
    """
    if lot_book.total(transfer.received) != transfer.points:
        return None
    lots, found = receiver.lots, list[LotChange]()
    for given in transfer.received:
        own = tuple(lot for lot in lots if lot.pending(moment.today) and lot.active_from == given.active_from)
        exact = tuple(lot for lot in own if lot.expires_on == given.expires_on)
        part = lot_book.take(exact, given.points, _any)
        part += lot_book.take(lot_book.apply(own, part), given.points + lot_book.total(part), _any)
        if lot_book.total(part) != -given.points:
            return None
        lots, found = lot_book.apply(lots, part), [*found, *part]
    return tuple(found)


def _any(_lot: Lot) -> bool:
    return True


def _given(gift: Gift, taken: Changes, active_from: date | None, moment: Moment) -> Draft:
    return _draft(gift, Kind.TRANSFER_OUT, Reason.TRANSFER_SENT, {"to": gift.to}, active_from, moment, taken)


def _received(gift: Gift, lots: Changes, active_from: date | None, moment: Moment) -> Draft:
    return _draft(gift, Kind.TRANSFER_IN, Reason.TRANSFER_RECEIVED, {"from": gift.member}, active_from, moment, lots)


def _draft(
    gift: Gift,
    kind: Kind,
    reason: Reason,
    other: dict[str, str],
    active_from: date | None,
    moment: Moment,
    lots: Changes,
) -> Draft:
    usable = {"active_from": active_from.isoformat()} if active_from else {}
    return Draft(
        kind=kind,
        reason=reason,
        source=Source("transfer", gift.id),
        occurred_at=moment.now,
        points=lot_book.total(lots),
        lots=lots,
        why=({"transfer": gift.id, **other, **usable},),
        actor=gift.actor,
    )
