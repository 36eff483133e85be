"""The account: lots, debt, open holds, lifetime figures, and the one function that changes them.

    account ──post(draft)──> account', entry          deciding, and writing
    zero    ──replay(entries)──> account              proving

Both go through :func:`apply`, so what a proof derives from the entries is what a decision wrote.

    balance = available + pending + held - debt
    available  lots usable today        pending  lots active later
    held       points in open holds     debt     owed after a clawback; the next credits pay it
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from enum import StrEnum
from functools import partial

from jifen.domain import lots as lot_book
from jifen.domain.calendar import DAY, day_start, local_day
from jifen.domain.entries import Draft, Entry, Kind, Reason, Source, digest, genesis
from jifen.domain.errors import LedgerFault
from jifen.domain.lots import Changes, Lot, LotChange, Lots
from jifen.domain.program import Moment
from jifen.domain.standing import NOTHING_KNOWN, OPENED, Standing

HOLDS_MAX = 20
"""Open holds of one account; with it, what time can do to an account always fits into one transaction."""

EXPIRE_ENTRIES_MAX = 10
"""Entries that lapsed lots are written down in at once."""


class Status(StrEnum):
    """What may be done with an account."""

    ACTIVE = "ACTIVE"
    FROZEN = "FROZEN"
    CLOSED = "CLOSED"
    MERGED = "MERGED"
    ERASED = "ERASED"


@dataclass(frozen=True, slots=True)
class Lifetime:
    """Sums of postings since the account began, all >= 0; ``redeemed`` is net of restores."""

    earned: int = 0
    redeemed: int = 0
    expired: int = 0
    clawed_back: int = 0


@dataclass(frozen=True, slots=True)
class OpenHold:
    """Points reserved by a hold that is neither captured, voided nor lapsed; ``lots`` is where they came from."""

    hold_id: str
    lots: Lots
    expires_at: datetime

    @property
    def points(self) -> int:
        """The reserved points."""
        return lot_book.total(self.lots)


@dataclass(frozen=True, slots=True)
class Reminded:
    """The smallest lead sent for one lot date, and the channels that have not acknowledged it yet.

    ``waiting`` is empty once every channel has it. ``claimed_by`` and ``claimed_at`` name the worker that is sending.

    Attributes:
        tries: runs that have tried, the one that is at it included; ``tried_at`` is the instant that one is for.
        reached: whether a channel has it.
    """

    lead_days: int
    waiting: tuple[str, ...] = ()
    claimed_by: str = ""
    claimed_at: datetime | None = None
    tries: int = 0
    tried_at: datetime | None = None
    reached: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """What a member was told besides reminders, and when the next message may go.

    Attributes:
        marks: for each thing that was noticed (``points.balance_reached/5000``), who has it, as of a reminder; in the
            place of the lead stands the number of the day on which it was noticed.
        day: the local day of the last message.
        held_until: when the member's quiet hours end that a message waits for; None where none waits.
    """

    marks: Mapping[str, Reminded] = field(default_factory=dict)
    day: date | None = None
    held_until: datetime | None = None


NOTHING_TOLD = Told()

BALANCE_MARK = "points.balance_reached/"
"""How marks of amounts begin: an amount that was reached is told again once the points have been fewer."""


@dataclass(frozen=True, slots=True)
class Account:
    """One member's points.

    ``version`` is the number of entries; ``revision`` counts every write of the item, reminders included, and is what
    a commit is conditional on. ``lots`` may still hold points that have expired: :func:`as_of` says what is true now.
    ``standing`` is what the earning rules remember of the member; no point is kept in it.
    """

    member: str
    version: int = 0
    revision: int = 0
    status: Status = Status.ACTIVE
    lots: Lots = ()
    debt: int = 0
    holds: tuple[OpenHold, ...] = ()
    lifetime: Lifetime = Lifetime()
    head_hash: str = ""
    reminded: Mapping[date, Reminded] = field(default_factory=dict)
    told: Told = NOTHING_TOLD
    standing: Standing = NOTHING_KNOWN

    @property
    def held(self) -> int:
        """Points in open holds."""
        return sum(hold.points for hold in self.holds)

    @property
    def balance(self) -> int:
        """What the member has in all, less what is owed."""
        return lot_book.total(self.lots) + self.held - self.debt

    def available(self, today: date) -> int:
        """Points that can be spent on ``today``."""
        return sum(lot.points for lot in self.lots if lot.spendable(today))

    def pending(self, today: date) -> int:
        """Points that become active after ``today``."""
        return sum(lot.points for lot in self.lots if lot.pending(today) and not lot.expired(today))

    def hold(self, hold_id: str) -> OpenHold | None:
        """The open hold with this id."""
        return next((hold for hold in self.holds if hold.hold_id == hold_id), None)


@dataclass(frozen=True, slots=True)
class Change:
    """An account with the entries that led to it, in order. Immutable: ``post`` returns the next one."""

    account: Account
    entries: tuple[Entry, ...] = ()

    def post(self, draft: Draft, moment: Moment) -> Change:
        """Append one entry."""
        account = self.account
        previous = account.head_hash or genesis(account.member)
        fields = (account.member, account.version + 1, draft, account.balance + draft.points)
        entry = Entry(*fields, moment.recorded_at, previous)
        sealed = Entry(*fields, moment.recorded_at, previous, digest(entry))
        after = apply(account, sealed)
        if not account.version and OPENED not in account.standing.seen:
            seen = {**account.standing.seen, OPENED: local_day(moment.recorded_at, moment.zone)}
            after = replace(after, standing=replace(account.standing, seen=seen))
        return Change(after, (*self.entries, sealed))

    def remember(self, standing: Standing) -> Change:
        """The change with another standing; no entry comes of it. The day of the first entry stays."""
        opened = self.account.standing.seen.get(OPENED)
        if opened and OPENED not in standing.seen:
            standing = replace(standing, seen={**standing.seen, OPENED: opened})
        return Change(replace(self.account, standing=standing), self.entries)


def apply(account: Account, entry: Entry) -> Account:
    """The account after ``entry``. An entry that does not add up raises :class:`LedgerFault`."""
    draft = entry.draft
    moved = lot_book.total(draft.lots) + lot_book.total(draft.hold_lots) - draft.debt
    if moved != draft.points or account.debt + draft.debt < 0 or entry.sequence != account.version + 1:
        message = f"entry {entry.sequence} of {account.member} does not add up: {draft}"
        raise LedgerFault(message)
    lots = lot_book.apply(account.lots, draft.lots)
    return replace(
        account,
        version=entry.sequence,
        lots=lots,
        debt=account.debt + draft.debt,
        holds=_holds_after(account.holds, draft),
        lifetime=_lifetime_after(account.lifetime, draft),
        head_hash=entry.hash,
        told=_told_after(account.told, lots, entry) if account.told.marks else account.told,
    )


def _told_after(told: Told, lots: Lots, entry: Entry) -> Told:
    """Without the marks of amounts that the points have fallen below; those that are pending anywhere do not help."""
    latest = entry.recorded_at.astimezone(UTC).date() + DAY
    there = sum(lot.points for lot in lots if lot.active_from is None or lot.active_from <= latest)
    return without_amounts(told, there)


def without_amounts(told: Told, points: int) -> Told:
    """Without the marks of amounts above ``points``."""
    marks = {
        key: mark
        for key, mark in told.marks.items()
        if not key.startswith(BALANCE_MARK) or int(key.removeprefix(BALANCE_MARK)) <= points
    }
    return told if len(marks) == len(told.marks) else replace(told, marks=marks)


def replay(member: str, entries: Iterable[Entry]) -> Account:
    """The account that the entries add up to, from nothing."""
    account = Account(member)
    for entry in entries:
        account = apply(account, entry)
    return account


def _holds_after(holds: tuple[OpenHold, ...], draft: Draft) -> tuple[OpenHold, ...]:
    if draft.hold_id is None:
        return holds
    kept = tuple(hold for hold in holds if hold.hold_id != draft.hold_id)
    touched = next((hold for hold in holds if hold.hold_id == draft.hold_id), None)
    expires_at = touched.expires_at if touched else draft.hold_expires_at
    if expires_at is None:
        message = f"hold {draft.hold_id} has no expiry"
        raise LedgerFault(message)
    reserved = lot_book.apply(touched.lots if touched else (), draft.hold_lots)
    return (*kept, OpenHold(draft.hold_id, reserved, expires_at)) if reserved else kept


def _lifetime_after(lifetime: Lifetime, draft: Draft) -> Lifetime:
    match draft.kind:
        case Kind.EARN | Kind.BONUS | Kind.IMPORT:
            return replace(lifetime, earned=lifetime.earned + draft.points)
        case Kind.REDEEM | Kind.RESTORE:
            return replace(lifetime, redeemed=lifetime.redeemed - draft.points)
        case Kind.EXPIRE:
            return replace(lifetime, expired=lifetime.expired - draft.points)
        case Kind.CLAWBACK:
            return replace(lifetime, clawed_back=lifetime.clawed_back - draft.points)
        case _:
            return lifetime


# What time does ------------------------------------------------------------------------------------------------------


def as_of(account: Account, moment: Moment) -> Change:
    """The account as it truly is at ``moment``: overdue holds released, expired lots gone, with the entries for it.

    Every read and every decision starts here. A read throws the entries away; a decision commits them with its own,
    and the sweep commits them alone.
    """
    change = Change(account)
    for hold in sorted(account.holds, key=lambda open_hold: (open_hold.expires_at, open_hold.hold_id)):
        if hold.expires_at <= moment.now:
            change = release(change, hold, moment, Reason.HOLD_LAPSED, occurred_at=hold.expires_at)
    days = sorted({lot.expires_on for lot in change.account.lots if lot.expires_on and lot.expired(moment.today)})
    # An entry a day; what is left over after a long time without a sweep goes into the last one.
    for day in days[: EXPIRE_ENTRIES_MAX - 1]:
        change = _expire(change, day, day, moment)
    if rest := days[EXPIRE_ENTRIES_MAX - 1 :]:
        change = _expire(change, rest[0], rest[-1], moment)
    return change


def caught_up(change: Change, moment: Moment) -> Change:
    """The change with what time has done to its account appended; the same when there is nothing."""
    later = as_of(change.account, moment)
    return replace(later, entries=(*change.entries, *later.entries)) if later.entries else change


def _expire(change: Change, first: date, last: date, moment: Moment) -> Change:
    gone = lot_book.reverse(
        LotChange(lot.points, lot.expires_on, lot.active_from)
        for lot in change.account.lots
        if lot.expires_on and first <= lot.expires_on <= last
    )
    draft = Draft(
        kind=Kind.EXPIRE,
        reason=Reason.LOT_EXPIRED,
        source=Source("lot", last.isoformat()),
        occurred_at=day_start(last + DAY, moment.zone),
        points=lot_book.total(gone),
        lots=gone,
        why=({"policy": "expiry", "last_valid_day": last.isoformat()},),
    )
    return change.post(draft, moment)


def release(change: Change, hold: OpenHold, moment: Moment, reason: Reason, occurred_at: datetime) -> Change:
    """Give the points of an open hold back to their lots; a debt is paid out of them first."""
    returned = tuple(LotChange(lot.points, lot.expires_on, lot.active_from) for lot in hold.lots)
    kept, paid = pay_debt(change.account.debt, returned)
    draft = Draft(
        kind=Kind.RELEASE,
        reason=reason,
        source=Source("hold", hold.hold_id),
        occurred_at=occurred_at,
        lots=kept,
        debt=-paid,
        hold_id=hold.hold_id,
        hold_lots=lot_book.reverse(returned),
        why=({"hold": hold.hold_id, "released": hold.points, "paid_debt": paid},),
    )
    return change.post(draft, moment)


# Credit and debit ----------------------------------------------------------------------------------------------------


def pay_debt(debt: int, credit: Changes) -> tuple[Changes, int]:
    """What is left of ``credit`` (all positive) once it has paid ``debt``, and how much it paid.

    Soonest-expiring points pay first.
    """
    kept: list[LotChange] = []
    paid = 0
    for change in sorted(credit, key=lot_book.order_key):
        part = min(debt - paid, change.points)
        paid += part
        if change.points > part:
            kept.append(replace(change, points=change.points - part))
    return tuple(kept), paid


def credit(change: Change, draft: Draft, moment: Moment) -> Change:
    """Post a credit of ``draft.lots`` (all positive): debt first, the rest into the lots."""
    points = lot_book.total(draft.lots)
    kept, paid = pay_debt(change.account.debt, draft.lots)
    why = (*draft.why, {"paid_debt": paid}) if paid else draft.why
    return compacted(change.post(replace(draft, points=points, lots=kept, debt=-paid, why=why), moment), moment)


def debit(account: Account, points: int, moment: Moment) -> Changes | None:
    """The lot changes that spend ``points``, soonest-expiring first; None when the account has not got them."""
    taken = lot_book.take(account.lots, points, partial(Lot.spendable, today=moment.today))
    return taken if -lot_book.total(taken) == points else None


def compacted(change: Change, moment: Moment) -> Change:
    """The account with no more lots than are kept, by an entry that joins those closest in time."""
    if len(change.account.lots) <= lot_book.LOTS_MAX:
        return change
    moves = lot_book.compact(change.account.lots, moment.today)
    if not moves:
        return change
    draft = Draft(
        kind=Kind.ADJUST,
        reason=Reason.LOTS_COMPACTED,
        source=Source("account", change.account.member),
        occurred_at=moment.now,
        lots=moves,
        why=({"lots_max": lot_book.LOTS_MAX},),
    )
    return change.post(draft, moment)
