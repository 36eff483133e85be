"""Policies of validity: who qualifies and from which day on, and what becomes of the account's points then.

    case_of(account, policy)               ──> Case: the first day on which the policy does something, and for what
    next_policy_on(account, program)       ──> the first such day of all policies; it stands in the index of expiry
    apply_policies(change, program, …)     ──> the account with every policy that is due, an entry for each

A policy is applied once for one thing: ``extend`` for a window of months, anything else for a spell of inactivity.
``standing.applied`` says for what it was applied last: what one policy does makes no case of another that was looked at
before. An account without points is no case; the first points that it gets are one.

    extend   every unexpired dated lot moves to its last day so many months on, rounded as the program rounds
    leave    lots that last longer move to the day that is so far ahead, with every reminder still to come
    void     a share of the points lapses, soonest-expiring first, once the member was told and the day has come; never
             more than the notice said

Points that a hold reserves keep their days. See docs/validity.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from jifen.domain import lots as lot_book
from jifen.domain.account import Account, Change, Status, Told
from jifen.domain.calendar import DAY, add_months, local_day, round_up
from jifen.domain.entries import Draft, Kind, Reason, Source
from jifen.domain.lots import Changes, Lot, LotChange
from jifen.domain.program import Moment, Program
from jifen.domain.reader import decimal
from jifen.domain.standing import Standing
from jifen.domain.validity_terms import Effect, Inactive, Policy, Spent

LAST_DAY = date(8999, 12, 31)
"""No policy moves a lot beyond this day."""

ENTRIES_MAX = 40
"""Entries of one account after which nothing further is begun; the rest is due still, and done by the next run."""

APPLIED_MAX = 30
"""Policies of earlier programs that an account remembers besides those of its own."""

MARK = "points.dormant"
"""How the marks of notices begin: ``points.dormant/<policy>@<share>/<inactive since>/<voided on>/<points>``.

One without the points at its end is of an earlier release, and no notice: nobody knows of how many the member was told.
"""

SOURCE = "validity"
"""The type of source of every entry that a policy writes; the id is that of the batch."""

_MAY: Mapping[Effect, frozenset[Status]] = {
    Effect.EXTEND: frozenset({Status.ACTIVE, Status.FROZEN}),
    Effect.LEAVE: frozenset({Status.ACTIVE}),
    Effect.VOID: frozenset({Status.ACTIVE}),
}
"""Whose points are changed: nobody is shortened while frozen, and closed accounts are left alone."""


@dataclass(frozen=True, slots=True)
class Case:
    """That an account qualifies.

    Attributes:
        on: the first day on which the policy does something.
        of: what it is applied for: the last month of a window (``2027-03``), or the day that inactivity began.
        figures: what made it so, for the entry's ``why``.
        points_max: of a void, the points that the member was told of.
    """

    on: date
    of: str
    figures: Mapping[str, Any]
    points_max: int | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """What the notice of a void said: from which day on, and how many ``points`` (>= 1) at most."""

    on: date
    points: int


@dataclass(frozen=True, slots=True)
class Done:
    """What a policy did to an account: ``points`` moved or voided, none where nothing was left to change.

    ``sequences`` are its entries, ``before`` and ``after`` the first last day among the lots that it moved.
    """

    policy: Policy
    batch: str
    points: int
    sequences: tuple[int, ...]
    before: date | None = None
    after: date | None = None


@dataclass(frozen=True, slots=True)
class Applied:
    """An account with the policies that were due."""

    change: Change
    done: tuple[Done, ...] = ()


def batch_id(policy: Policy, day: date) -> str:
    """The batch of what a policy does on a day."""
    return f"{policy.id}.{day.isoformat()}"


# Who qualifies -------------------------------------------------------------------------------------------------------


def case_of(account: Account, policy: Policy, *, told: bool = False) -> Case | None:
    """The account's case under a policy; None where it does not qualify.

    Args:
        account: the account, as it stands.
        policy: one of the program's.
        told: takes it that the member was told of a void, as a preview does; whoever was, was told of what the notice
            said.
    """
    if account.status not in _MAY[policy.effect] or not account.lots:
        return None
    if isinstance(policy.when, Spent):
        return _case_of_spending(account, policy, policy.when)
    since = inactive_since(account.standing, policy.when)
    if since.isoformat() <= account.standing.applied.get(policy.id, ""):
        return None
    on = max(inactive_on(policy.when, since), policy.starts_on)
    figures: dict[str, Any] = {"inactive_since": since.isoformat()}
    if policy.effect is not Effect.VOID:
        return Case(on, since.isoformat(), figures)
    said = said_of(account, policy, since)
    on = max(on, said.on) if said else on
    if not (said or told) or not voidable(account, policy, on):
        return None
    figures |= {"told_points": said.points} if said else {}
    return Case(on, since.isoformat(), figures, said.points if said else None)


def next_policy_on(account: Account, program: Program) -> date | None:
    """The first day on which any policy has something to do to the account; None where none has."""
    cases = (case_of(account, policy) for policy in program.policies)
    return min((case.on for case in cases if case), default=None)


def inactive_since(standing: Standing, when: Inactive) -> date:
    """The last day on which the member is known to have been active."""
    days = [when.known_since, standing.seen.get("opened")]
    if "login" in when.without:
        days.append(standing.seen.get("login"))
    if "order" in when.without:
        days.append(standing.last_paid_on)
    return max(day for day in days if day)


def inactive_on(when: Inactive, since: date) -> date:
    """The first day after a member was missed for so many months and days, all of them over."""
    return add_months(since, when.months) + timedelta(days=when.days) + DAY


def _case_of_spending(account: Account, policy: Policy, when: Spent) -> Case | None:
    """The earliest window of months that was not counted yet, all of it spent enough in."""
    spent = account.standing.spent
    applied = account.standing.applied.get(policy.id, "")
    for last in sorted(name for name, amount in spent.items() if amount >= when.each_minor):
        names = _window(last, when.months)
        on = _month(last, 1) + timedelta(days=when.wait_days)
        if names[0] > applied and on >= policy.starts_on and all(spent.get(one, 0) >= when.each_minor for one in names):
            return Case(on, last, {"spent_minor": {one: spent[one] for one in names}, "each_minor": when.each_minor})
    return None


def _window(last: str, months: int) -> list[str]:
    """The names of so many months, the last of them ``last``."""
    return [f"{_month(last, back):%Y-%m}" for back in range(1 - months, 1)]


def _month(name: str, ahead: int) -> date:
    """The first day of the month that is so many ahead of the one named."""
    return add_months(date.fromisoformat(f"{name}-01"), ahead)


# What is left --------------------------------------------------------------------------------------------------------


def _lasting(account: Account, policy: Policy, program: Program, today: date) -> list[tuple[Lot, date]]:
    """The lots that last longer than a policy leaves them, each with the last day that it leaves."""
    found: list[tuple[Lot, date]] = []
    for lot in account.lots:
        if lot.expired(today):
            continue
        begins = max(today, lot.active_from or today)
        day = max(add_months(begins, policy.months) + timedelta(days=policy.days), with_leads(begins, program))
        day = unmarked(account, day)
        if lot.expires_on is None or day < lot.expires_on:
            found.append((lot, day))
    return found


def with_leads(today: date, program: Program) -> date:
    """The first last day that leaves every reminder to be sent: the first of them goes out tomorrow."""
    return today + timedelta(days=max(program.lead_days, default=0)) + DAY


def unmarked(account: Account, day: date) -> date:
    """The day, or the next one that nobody was reminded of yet: a lead that was sent for a day is not sent again."""
    while day in account.reminded:
        day += DAY
    return day


def voidable(account: Account, policy: Policy, today: date) -> int:
    """How many points a policy voids of those that are there on a day, pending ones too; held ones are not touched."""
    there = sum(lot.points for lot in account.lots if not lot.expired(today))
    return there * policy.share.numerator // policy.share.denominator


# Notice of dormancy --------------------------------------------------------------------------------------------------


def dormancy_notice(account: Account, program: Program, moment: Moment) -> tuple[str, Mapping[str, Any]] | None:
    """The notice of a void that is due at ``moment``, as its mark and its facts; None where none is.

    A mark on which nothing waits is done. One that still waits is sent again under the same mark, or on a later day
    under a new one, which takes its place: nobody has less than ``notice_days`` after the last channel was reached.
    What is sent again says no more points than before: somebody may have read of those.

    Args:
        account: the account, as of ``moment``.
        program: the program in force.
        moment: now.

    Returns:
        ``points.dormant/<policy>@<share>/<since>/<voids_on>/<points>`` and ``{"policy", "inactive_since", "voids_on",
        "points", "share"}``; days are ISO texts, ``points`` what would be voided of those that are there now.
    """
    # A task that waited is of a day that is past.
    today = max(moment.today, local_day(moment.recorded_at, moment.zone))
    for policy, since, on in _to_be_told(account, program):
        voids_on = max(on, today + timedelta(days=policy.notice_days))
        head = mark_head(policy, since)
        begun = [said.points for said in _said(account, head, waiting=True)]
        points = min([voidable(account, policy, voids_on), *begun])
        if on - timedelta(days=policy.notice_days) <= today and policy.starts_on <= today and points:
            facts = {
                "policy": policy.id,
                "inactive_since": since.isoformat(),
                "voids_on": voids_on.isoformat(),
                "points": points,
                "share": decimal(policy.share),
            }
            return f"{head}{voids_on}/{points}", facts
    return None


def next_dormancy_notice_on(account: Account, program: Program) -> date | None:
    """The first day on which :func:`dormancy_notice` may have something to say; None where it never has."""
    days: list[date] = []
    for policy, _, on in _to_be_told(account, program):
        first = max(on - timedelta(days=policy.notice_days), policy.starts_on)
        if voidable(account, policy, first + timedelta(days=policy.notice_days)):
            days.append(first)
    return min(days, default=None)


def _to_be_told(account: Account, program: Program) -> Iterator[tuple[Policy, date, date]]:
    """Policies that void something of which the member was not told to the end: since when, and from which day on."""
    for policy in program.policies:
        if policy.effect is not Effect.VOID or account.status not in _MAY[policy.effect]:
            continue
        assert isinstance(policy.when, Inactive), "nothing is voided for spending"
        since = inactive_since(account.standing, policy.when)
        if since.isoformat() > account.standing.applied.get(policy.id, "") and not said_of(account, policy, since):
            yield policy, since, inactive_on(policy.when, since)


def mark_head(policy: Policy, since: date) -> str:
    """How the marks begin of what a member was told of a void: of this share and this absence."""
    return f"{MARK}/{policy.id}@{decimal(policy.share)}/{since}/"


def said_of(account: Account, policy: Policy, since: date) -> Said | None:
    """What the member was told of a void, and every channel has; None where nothing may be voided.

    A day before the one on which the policy qualifies was told of when it started earlier, or missed nobody for so
    long, and counts for nothing.
    """
    assert isinstance(policy.when, Inactive), "nothing is voided for spending"
    on = max(inactive_on(policy.when, since), policy.starts_on)
    found = _said(account, mark_head(policy, since), waiting=False)
    last = max(found, key=lambda said: (said.on, -said.points), default=None)
    return last if last and last.on >= on else None


def said_by(mark: str) -> Said | None:
    """What a mark says; None where it says that nobody could be told, or is of an earlier release."""
    day, _, points = mark.split("/", 3)[-1].partition("/")
    return Said(date.fromisoformat(day), int(points)) if points.isdecimal() else None


def _said(account: Account, head: str, *, waiting: bool) -> list[Said]:
    """What the marks say that begin so: those that still wait for a channel, or the others."""
    marks = account.told.marks.items()
    known = (said_by(name) for name, mark in marks if name.startswith(head) and bool(mark.waiting) is waiting)
    return [said for said in known if said]


# What they do --------------------------------------------------------------------------------------------------------


def apply_policies(
    change: Change, program: Program, moment: Moment, held_back: frozenset[str] = frozenset(), *, told: bool = False
) -> Applied:
    """Apply every policy that is due, in the order of the program; each sees what those before it did.

    Args:
        change: the account, as of ``moment``.
        program: the program in force.
        moment: now.
        held_back: batches that nothing is added to: somebody is taking them back.
        told: takes it that the member was told of a void, as a preview does.
    """
    done: list[Done] = []
    for policy in program.policies:
        batch = batch_id(policy, moment.today)
        while batch not in held_back and len(change.entries) < ENTRIES_MAX:
            case = case_of(change.account, policy, told=told)
            if case is None or case.on > moment.today:
                break
            one, change = _apply(change, policy, case, program, moment)
            done.append(one)
    return Applied(change, tuple(done))


def _apply(change: Change, policy: Policy, case: Case, program: Program, moment: Moment) -> tuple[Done, Change]:
    account, batch = change.account, batch_id(policy, moment.today)
    moves = _moves(account, policy, case, program, moment)
    why: dict[str, Any] = {"policy": policy.id, "effect": str(policy.effect), "batch": batch, **case.figures}
    said: dict[str, Any]
    match policy.effect:
        case Effect.EXTEND:
            said = {"months": policy.months}
            kind, reason = Kind.ADJUST, Reason.VALIDITY_EXTENDED
        case Effect.LEAVE:
            said = {"months": policy.months, "days": policy.days}
            kind, reason = Kind.ADJUST, Reason.VALIDITY_SHORTENED
        case Effect.VOID:
            said = {"share": decimal(policy.share)}
            kind, reason = Kind.EXPIRE, Reason.POINTS_VOIDED
    points = sum(-move.points for move in moves if move.points < 0)
    sequences: tuple[int, ...] = ()
    if moves:
        draft = Draft(
            kind=kind,
            reason=reason,
            source=Source(SOURCE, batch),
            occurred_at=moment.now,
            points=lot_book.total(moves),
            lots=moves,
            why=({**why, **said, "points": points},),
        )
        change = change.post(draft, moment)
        sequences = (change.account.version,)
    change = _remembering(change, policy, case.of, program)
    before = min((move.expires_on for move in moves if move.points < 0 and move.expires_on), default=None)
    after = min((move.expires_on for move in moves if move.points > 0 and move.expires_on), default=None)
    return Done(policy, batch, points, sequences, before, after), change


def _moves(account: Account, policy: Policy, case: Case, program: Program, moment: Moment) -> Changes:
    """What a policy does to the lots; a lot that moves is two changes, one behind the other."""
    if policy.effect is Effect.VOID:
        points = voidable(account, policy, moment.today)
        points = points if case.points_max is None else min(points, case.points_max)
        return lot_book.take(account.lots, points, lambda lot: not lot.expired(moment.today))
    if policy.effect is Effect.LEAVE:
        moved = _lasting(account, policy, program, moment.today)
    else:
        rounding = program.expiry.round_up_to
        longer = ((lot, _later(lot.expires_on, policy.months, rounding)) for lot in account.lots if lot.expires_on)
        moved = [(lot, day) for lot, day in longer if lot.expires_on and day > lot.expires_on >= moment.today]
    return tuple(part for lot, day in moved for part in _move(lot.points, lot.expires_on, day, lot.active_from))


def _later(day: date, months: int, rounding: str) -> date:
    return min(round_up(add_months(day, months), rounding), LAST_DAY)


def _move(points: int, old: date | None, new: date | None, begins: date | None) -> Changes:
    return (LotChange(-points, old, begins), LotChange(points, new, begins))


def _remembering(change: Change, policy: Policy, of: str, program: Program) -> Change:
    """The account knowing for what the policy was applied last; what it was told of a void is over by that."""
    standing, known = change.account.standing, {one.id for one in program.policies}
    others = {name: was for name, was in standing.applied.items() if name not in known}
    kept = sorted(others, key=lambda name: others[name], reverse=True)[:APPLIED_MAX]
    applied = {name: was for name, was in standing.applied.items() if name in known or name in kept}
    change = change.remember(replace(standing, applied={**applied, policy.id: of}))
    head = f"{MARK}/{policy.id}@"
    marks = {name: mark for name, mark in change.account.told.marks.items() if not name.startswith(head)}
    if len(marks) == len(change.account.told.marks):
        return change
    told: Told = replace(change.account.told, marks=marks)
    return Change(replace(change.account, told=told), change.entries)
