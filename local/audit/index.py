"""The due dates and the shard by which the daily sweep finds an account."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta

from jifen.domain.notice_terms import NO_NOTICES
from local.audit.laws import Terms, Violation
from local.audit.lots import FOREVER, Day
from local.audit.rows import Account
from local.audit.table import Member

NEVER = "9999-12-31"
"""The day of an account with points that nothing lies ahead of."""


def judge_index(member: Member, every: Sequence[Terms]) -> Iterator[Violation]:
    """An account's due dates and shard against its lots, holds and reminders.

    Args:
        member: the member.
        every: the terms by which the dates may have been worked out, those in force first. The program before counts
            as well: an account keeps its dates until it is written or a walk comes by.
    """
    in_force, *others = every
    found = [*_faults(member, in_force)]
    if found and all([*_faults(member, terms)] for terms in others):
        yield from found


def _faults(member: Member, terms: Terms) -> Iterator[Violation]:
    account = member.account
    if account is None:
        return
    dates = {"due_expiry": _next_expiry(account, terms), "due_reminder": _next_reminder(account, terms)}
    due = {name: f"{day}#{account.member}" for name, day in dates.items() if day is not None}
    found = {name: value for name, value in account.due.items() if name != "shard"}
    if terms.program.notices != NO_NOTICES or terms.program.policies:
        due = _told_besides(found, due, account)
    if found != due and not _sooner_by_policy(found, due, terms):
        yield Violation("index", account.member, f"{found}; by lots, holds, tier and reminders {due}")
    shard = account.due.get("shard")
    number = int.from_bytes(hashlib.sha256(account.member.encode()).digest()[:4], "big")
    if (shard is None) != (not due) or not (shard is None or shard.isdecimal()):
        yield Violation("index", account.member, f"shard {shard} with {due}")
    elif shard is not None and terms.shards is not None and shard != str(number % terms.shards):
        yield Violation("index", account.member, f"shard {shard}, not {number % terms.shards}")


def _sooner_by_policy(found: Mapping[str, str], due: Mapping[str, str], terms: Terms) -> bool:
    """Whether an account is looked at before anything lapses: a policy of validity may be due for it.

    Being looked at too soon changes nothing; too late is what the law is about.
    """
    expiry = found.get("due_expiry", FOREVER)
    others = {name: value for name, value in due.items() if name != "due_expiry"}
    return (
        bool(terms.program.policies)
        and expiry <= due.get("due_expiry", FOREVER)
        and others == {name: value for name, value in found.items() if name != "due_expiry"}
    )


def _told_besides(found: Mapping[str, str], due: Mapping[str, str], account: Account) -> dict[str, str]:
    """What is due where members are told more than reminders: what is held waits for its instant.

    A notice may be due sooner than any reminder, and a reminder waits for the day after another message. Which day it
    is, is a matter of what members are told; that the account is named at all is one of its points.
    """
    reminder = found.get("due_reminder")
    if account.held_until is not None:
        return {**due, "due_reminder": f"{account.held_until}#{account.member}"}
    named = reminder is not None and reminder.endswith(f"#{account.member}")
    return {**due, "due_reminder": reminder} if named and reminder is not None else dict(due)


def _next_expiry(account: Account, terms: Terms) -> Day:
    lapses = [_day_after(key[0], 1) for key, _ in account.lots if key[0] is not None]
    ends = [terms.today(datetime.fromisoformat(until)) for until, _ in account.holds.values()]
    tier = [account.standing.due] if account.standing.due else []
    return min((*lapses, *ends, *tier), default=NEVER if account.lots else None)


def _next_reminder(account: Account, terms: Terms) -> Day:
    days = []
    for day in {key[0] for key, _ in account.lots if key[0] is not None}:
        lead, waiting = account.reminded.get(day, (None, False))
        ahead = [one for one in terms.program.lead_days if lead is None or one < lead]
        if waiting and lead is not None:
            days.append(_day_after(day, -lead))
        elif ahead:
            days.append(_day_after(day, -max(ahead)))
    return min(days, default=None)


def _day_after(day: str, days: int) -> str:
    return (date.fromisoformat(day) + timedelta(days=days)).isoformat()
