"""What goes out to a member at once, and what is written on the account for it.

    due ──claim──> waiting for channels ──confirm, channel by channel──> told

Reminders are marked by lot date (``account.reminded``), notices by their name (``account.told.marks``). The claim is
written before anything is sent and says which channels are to get it: those that reach the member and are not refused.
A channel is taken off once it has the message, will never take it, or was given up. Nobody sends what another worker
has claimed; a claim that was never confirmed (the worker died) is taken over once it is older than ``CLAIM_LEASE``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from jifen.domain.account import Account, Reminded, Told, without_amounts
from jifen.domain.notice_terms import NO_NOTICES
from jifen.domain.notices import Notice, NoticeKind, notice_id
from jifen.domain.program import Moment, Program
from jifen.domain.reminders import due_reminders, in_other_hands

# ruff: noqa: PLC0415 - what only a program with notices needs is read there

_RANKS = (
    NoticeKind.POINTS_EXPIRING,
    NoticeKind.DORMANT,
    NoticeKind.TIER_AT_RISK,
    NoticeKind.REWARD_AFFORDABLE,
    NoticeKind.BALANCE_REACHED,
    NoticeKind.TIER_REACHED,
)
"""The most urgent first."""

ChannelsOf = Callable[[NoticeKind], tuple[str, ...]]
"""The channels that a notice of this kind goes out on to the member."""


@dataclass(frozen=True, slots=True)
class Item:
    """A notice on its way.

    Attributes:
        mark: the lot date, or the name of the mark.
        channels: those that are to get it; none where nobody can be told.
        lead: of a reminder; of another notice the number of the day on which it was noticed.
        tries: runs that have tried, this one included.
        begun: it was claimed before.
        again: it was claimed by a worker that did not come back, and may have gone out.
        reached: a channel has it.
        instead_of: the name of a mark that it takes the place of.
    """

    notice: Notice
    mark: date | str
    channels: tuple[str, ...]
    lead: int
    tries: int = 1
    begun: bool = False
    again: bool = False
    reached: bool = False
    instead_of: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """What one worker is to send to a member now, the most urgent first, and marks of what is passed over."""

    items: tuple[Item, ...] = ()
    passed: tuple[str, ...] = ()


# Due -----------------------------------------------------------------------------------------------------------------


def due(account: Account, program: Program, channels_of: ChannelsOf, worker: str, moment: Moment) -> Plan:
    """What ``worker`` is to send at ``moment`` for an account that is as of ``moment``.

    Where the program has notices and a message a day, nothing is begun on a day on which a message went out; what was
    begun before is still finished.
    """
    items = [*_reminders(account, program, channels_of, worker, moment)]
    passed: tuple[str, ...] = ()
    if has_notices(program):
        from jifen.domain.due_notices import absence_of, due_notices

        noticed = due_notices(account, program, moment)
        passed = noticed.passed
        for one in noticed.found:
            known = one.known
            if known is not None and in_other_hands(known, worker, moment):
                continue
            first = known.lead_days if known else moment.today.toordinal()
            key = one.mark if one.kind is not NoticeKind.DORMANT else absence_of(one.mark)
            notice = Notice(notice_id(account.member, one.kind, f"{key}/{first}"), one.kind, account.member, one.facts)
            items.append(_item(notice, one.mark, first, known, channels_of, worker, moment, one.instead_of))
    if limited(account, program, moment.today):
        items = [item for item in items if item.begun]
    return Plan(tuple(sorted(items, key=lambda item: _RANKS.index(item.notice.kind))), passed)


def has_notices(program: Program) -> bool:
    """Whether there may be anything to tell besides reminders."""
    return program.notices is not NO_NOTICES or bool(program.policies)


def limited(account: Account, program: Program, today: date) -> bool:
    """Whether nothing new may be begun on ``today``."""
    if program.notices is NO_NOTICES or not program.notices.once_a_day or account.told.day is None:
        return False
    return account.told.day >= today


def _reminders(
    account: Account, program: Program, channels_of: ChannelsOf, worker: str, moment: Moment
) -> Iterable[Item]:
    kind = NoticeKind.POINTS_EXPIRING
    for reminder in due_reminders(account, program.lead_days, channels_of(kind), worker, moment):
        day, lead = reminder.lot_expires_on, reminder.lead_days
        known = account.reminded.get(day)
        facts = {
            "points": reminder.points,
            "lot_expires_on": day.isoformat(),
            "lead_days": lead,
            "days_left": (day - moment.today).days,
        }
        notice = Notice(notice_id(account.member, kind, f"{day}/{lead}"), kind, account.member, facts, reminder)
        begun = known if known is not None and known.lead_days == lead and known.waiting else None
        yield _item(notice, day, lead, begun, channels_of, worker, moment)


def _item(
    notice: Notice,
    mark: date | str,
    lead: int,
    known: Reminded | None,
    channels_of: ChannelsOf,
    worker: str,
    moment: Moment,
    instead_of: str = "",
) -> Item:
    channels = channels_of(notice.kind)
    if known is None:
        return Item(notice, mark, channels, lead, instead_of=instead_of)
    waiting = tuple(channel for channel in known.waiting if channel in channels)
    tries = known.tries + (known.tried_at != moment.now)
    again = bool(known.claimed_by) and known.claimed_by != worker
    return Item(notice, mark, waiting, lead, tries, True, again, known.reached, instead_of)  # noqa: FBT003 - see Item


# Marks ---------------------------------------------------------------------------------------------------------------


def claim(account: Account, plan: Plan, program: Program, worker: str, moment: Moment) -> Account:
    """The account with what is planned marked as being sent by ``worker``; what nobody can be told counts as told.

    Marks that cannot matter any more are dropped.
    """
    reminded = {day: mark for day, mark in account.reminded.items() if day >= moment.today}
    told = replace(without_amounts(account.told, account.available(moment.today)), held_until=None)
    marks = dict(told.marks)
    if has_notices(program):
        from jifen.domain.due_notices import kept

        marks = kept(replace(account, told=told), program, moment.today)
        marks |= {name: Reminded(moment.today.toordinal()) for name in plan.passed}
    for item in plan.items:
        mark = Reminded(
            item.lead, item.channels, worker, moment.recorded_at, item.tries, moment.now, reached=item.reached
        )
        if isinstance(item.mark, date):
            reminded[item.mark] = mark if item.channels else Reminded(item.lead)
            continue
        marks.pop(item.instead_of, None)
        if item.channels:
            marks[item.mark] = mark
        else:
            marks[_through(item.mark, moment.today, reached=item.reached)] = Reminded(item.lead)
    if program.notices is not NO_NOTICES and any(item.channels for item in plan.items):
        told = replace(told, day=moment.today)
    return replace(account, reminded=reminded, told=_with(told, marks))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one channel: marks that it ``has``, and those that it will never get (``never``)."""

    has: frozenset[date | str] = field(default_factory=frozenset)
    never: frozenset[date | str] = field(default_factory=frozenset)


def confirm(
    account: Account, items: Sequence[Item], channel: str, outcome: Outcome, worker: str, today: date, *, last: bool
) -> Account:
    """The account after ``worker`` was through with one channel; with the ``last`` one it lets go of its claim."""
    reminded, marks = dict(account.reminded), dict(account.told.marks)
    for item in items:
        mark = standing(account, item)
        if mark is None or mark.claimed_by != worker:
            continue
        over = item.mark in outcome.has or item.mark in outcome.never
        waiting = tuple(one for one in mark.waiting if not (over and one == channel))
        reached = mark.reached or item.mark in outcome.has
        after = replace(mark, waiting=waiting, reached=reached)
        if last:
            after = replace(after, claimed_by="", claimed_at=None)
        if not waiting:
            after = Reminded(mark.lead_days)
        if isinstance(item.mark, date):
            reminded[item.mark] = after
        elif waiting:
            marks[item.mark] = after
        else:
            del marks[item.mark]
            marks[_through(item.mark, today, reached=reached)] = after
    return replace(account, reminded=reminded, told=_with(account.told, marks))


def standing(account: Account, item: Item) -> Reminded | None:
    """The mark of an item as it stands on the account; None where it is another one by now."""
    marks: Mapping[date, Reminded] | Mapping[str, Reminded]
    marks = account.reminded if isinstance(item.mark, date) else account.told.marks
    mark = marks.get(item.mark)  # type: ignore[arg-type]  # each kind of mark is looked up where it stands
    return mark if mark is not None and mark.lead_days == item.lead else None


def hold(account: Account, until: datetime) -> Account:
    """The account of a member whose message waits for the end of the quiet hours."""
    return replace(account, told=replace(account.told, held_until=until))


def message_id(notices: Sequence[Notice]) -> str:
    """The same for every message of these notices: the id of the only one, or a hash over all (32 hex characters)."""
    if len(notices) == 1:
        return notices[0].id
    return hashlib.sha256("\n".join(sorted(notice.id for notice in notices)).encode()).hexdigest()[:32]


def _through(mark: str, today: date, *, reached: bool) -> str:
    """The name under which it stands that there is nothing left to do for a mark."""
    if reached:
        return mark
    from jifen.domain.due_notices import untold

    return untold(mark, today)


def _with(told: Told, marks: Mapping[str, Reminded]) -> Told:
    return replace(told, marks=dict(marks)) if marks != told.marks else told
