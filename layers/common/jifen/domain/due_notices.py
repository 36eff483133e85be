"""What a member is worth telling besides reminders, as pure functions of account, program and moment.

    candidates(account, program)           what may be due, each under its mark, and from which day on
    due_notices(account, program, moment)  what of it is due now, and what is passed over for good

    points.balance_reached/5000            spendable points; again once they have been fewer
    tier.reached/gold/2026-11-01           the level that was risen to, within RISEN_DAYS of its first day
    tier.at_risk/gold/2026-12-31           the level that falls after its last day if nothing more qualifies
    reward.affordable/tea-cup/500          the reward that the member saves for; with /again/<day> it could not be had
    points.dormant/<policy>@<share>/<since>/<day>/<points>  see :mod:`jifen.domain.policies`

A thing is told once: its mark stays on the account as long as the thing may come up again, and no longer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from jifen.domain.account import Account, Reminded, Status
from jifen.domain.money import minor_per_unit
from jifen.domain.notices import NoticeKind
from jifen.domain.program import Moment, Program
from jifen.domain.reminders import AT_ONCE
from jifen.domain.validity_terms import Effect, Inactive

# ruff: noqa: PLC0415 - tiers and policies are read where the program has some

RISEN_DAYS = 7
"""A level that was reached longer ago is no news any more."""

UNREACHED_AGAIN = timedelta(days=30)
"""A member whom no channel could tell that points will be voided is tried again after so long."""

AGAIN_DAYS_MAX = 7
"""Days after which a reward that cannot be had for a while is looked at again, at most."""

_UNREACHED = "unreached"
_AGAIN = "again"


@dataclass(frozen=True, slots=True)
class Candidate:
    """What may be due from the day ``on`` on; ``mark`` says that it is done."""

    kind: NoticeKind
    mark: str
    on: date


@dataclass(frozen=True, slots=True)
class Found:
    """A notice that is due: ``known`` is the mark of what was begun before, under its own name or an earlier one."""

    kind: NoticeKind
    mark: str
    facts: Mapping[str, Any]
    known: Reminded | None = None
    instead_of: str = ""


@dataclass(frozen=True, slots=True)
class Due:
    """What is due, and the marks of what is not worth telling any more."""

    found: tuple[Found, ...] = ()
    passed: tuple[str, ...] = ()


# From which day on ---------------------------------------------------------------------------------------------------


def notice_days(account: Account, program: Program) -> Iterator[tuple[date, bool]]:
    """Days from which on a run has something to do, :data:`AT_ONCE` among them; with each, whether it was begun."""
    marks = account.told.marks
    for one in candidates(account, program):
        if one.mark not in marks:
            yield one.on, False
        elif marks[one.mark].waiting:
            yield one.on, True
    for alone in _voiding(program):
        if (day := _next_dormant_on(account, alone)) is not None:
            heads = tuple(_dormant_heads(account, alone))
            yield day, any(mark.waiting for key, mark in marks.items() if key.startswith(heads))


def candidates(account: Account, program: Program) -> Iterator[Candidate]:
    """Everything but dormancy, whether it was told or not."""
    terms = program.notices
    if account.status is not Status.ACTIVE:
        return
    told = max((amount for amount in terms.balance_reached if _amount_mark(amount) in account.told.marks), default=0)
    for amount in terms.balance_reached:
        on = _spendable_on(account, amount)
        if on is not None and (amount > told or _amount_mark(amount) in account.told.marks):
            yield Candidate(NoticeKind.BALANCE_REACHED, _amount_mark(amount), on)
    goal = account.standing.goal
    if terms.reward_affordable and goal and (on := _spendable_on(account, goal[1])) is not None:
        again = max((date.fromisoformat(key.rpartition("/")[2]) for key in _put_off(account)), default=on)
        yield Candidate(NoticeKind.REWARD_AFFORDABLE, _reward_mark(goal), max(on, again))
    tiers, days = program.rules.tiers, terms.tier_at_risk_days
    if account.standing.tier is None or tiers is None or not (terms.tier_reached or days is not None):
        return
    from jifen.domain import tier_notices

    if terms.tier_reached and (reached := tier_notices.next_reached(account.standing, tiers)):
        yield Candidate(NoticeKind.TIER_REACHED, f"{NoticeKind.TIER_REACHED}/{reached[1]}", reached[0])
    if days is not None and (risk := tier_notices.next_at_risk(account.standing, tiers, days)):
        yield Candidate(NoticeKind.TIER_AT_RISK, f"{NoticeKind.TIER_AT_RISK}/{risk[1]}", risk[0])


def _spendable_on(account: Account, amount: int) -> date | None:
    """The first day on which so many points can be spent, of those that are there; at once where all are active."""
    days = sorted({lot.active_from or AT_ONCE for lot in account.lots})
    for day in days:
        there = (lot.points for lot in account.lots if (lot.active_from or AT_ONCE) <= day and not lot.expired(day))
        if sum(there) >= amount:
            return day
    return None


# What is due ---------------------------------------------------------------------------------------------------------


def due_notices(account: Account, program: Program, moment: Moment) -> Due:
    """What is due of an account that is as of ``moment``; claims of other workers are not looked at here."""
    found, passed = list[Found](), list[str]()
    amounts: list[Candidate] = []
    for one in candidates(account, program):
        known = account.told.marks.get(one.mark)
        if (known is not None and not known.waiting) or one.on > moment.today:
            continue
        if one.kind is NoticeKind.BALANCE_REACHED:
            amounts.append(one)
            continue
        facts = _facts(one, account, program, moment)
        if facts is None:
            passed.append(one.mark)
        else:
            found.append(Found(one.kind, one.mark, facts, known))
    if amounts:
        *less, most = sorted(amounts, key=lambda one: _amount_of(one.mark))
        passed += [one.mark for one in less]
        facts = _balance_facts(_amount_of(most.mark), account.available(moment.today), program)
        found.append(Found(most.kind, most.mark, facts, account.told.marks.get(most.mark)))
    for alone in _voiding(program):
        if dormant := _dormant(account, alone, moment):
            found.append(dormant)
        elif (day := _next_dormant_on(account, alone)) is not None and day <= moment.today:
            # The points that there are will have lapsed by then: looked at again as if nobody could be told.
            passed += [untold(head, moment.today) for head in _dormant_heads(account, alone)]
    return Due(tuple(found), tuple(passed))


def _facts(one: Candidate, account: Account, program: Program, moment: Moment) -> Mapping[str, Any] | None:
    """What a notice says; None where it is not worth telling any more."""
    if one.kind is NoticeKind.REWARD_AFFORDABLE:
        assert account.standing.goal, "there is none without a goal"
        reward, points = account.standing.goal
        return {"reward_id": reward, "title": reward, "points": points}
    from jifen.domain import tier_notices

    tiers = program.rules.tiers
    assert tiers, "no terms, no candidate"
    facts: Mapping[str, Any] | None
    if one.kind is NoticeKind.TIER_REACHED:
        news = moment.today <= one.on + timedelta(days=RISEN_DAYS)
        facts = tier_notices.reached(account.standing, tiers, moment.today) if news else None
    else:
        facts = tier_notices.at_risk(account.standing, tiers, moment.today, program.notices.tier_at_risk_days or 0)
    if facts is None or one.mark != f"{one.kind}/{facts['key']}":
        return None
    said = {name: value for name, value in facts.items() if name != "key"}
    if said.get("missing") and tiers.by == "spend" and program.currency:
        said["missing"] = {"amount_minor": said["missing"], "currency": program.currency}
    return said


def _balance_facts(amount: int, available: int, program: Program) -> Mapping[str, Any]:
    worth = None
    if program.currency:
        minor = program.redemption.worth.taken_off(available, minor_per_unit(program.currency))
        worth = {"amount_minor": minor, "currency": program.currency}
    return {"amount": amount, "available": available, "worth": worth}


# Marks ---------------------------------------------------------------------------------------------------------------


def kept(account: Account, program: Program, today: date) -> dict[str, Reminded]:
    """The marks that may matter again: of points that are there, the level and the goal of now, and this absence."""
    goal, state = account.standing.goal, account.standing.tier
    names = {_amount_mark(amount) for amount in program.notices.balance_reached if amount <= account.available(today)}
    names |= {_reward_mark(goal)} if goal else set()
    names |= {key for key in _put_off(account) if key.rpartition("/")[2] > today.isoformat()}
    names |= {f"{NoticeKind.TIER_REACHED}/{state.level}/{state.since}"} if state else set()
    heads, risk = tuple(_dormant_heads(account, program)), f"{NoticeKind.TIER_AT_RISK}/"
    return {
        key: mark
        for key, mark in account.told.marks.items()
        if key in names
        or (heads and key.startswith(heads) and not _tried_again(key, today))
        or (key.startswith(risk) and key.rpartition("/")[2] >= today.isoformat())
    }


def put_off(account: Account, opens_on: date | None, today: date) -> Account:
    """The account whose goal cannot be had for a while, and is looked at again on another day.

    That is ``opens_on``, where it is known; else after as many days as have gone by so, :data:`AGAIN_DAYS_MAX` at most.
    """
    assert account.standing.goal, "there is nothing to put off without a goal"
    mark, before = _reward_mark(account.standing.goal), _put_off(account)
    first = min((one.lead_days for one in before.values()), default=today.toordinal())
    days = min(max(1, today.toordinal() - first), AGAIN_DAYS_MAX)
    on = max(opens_on or today + timedelta(days=days), today + timedelta(days=1))
    marks = {key: one for key, one in account.told.marks.items() if key != mark and key not in before}
    marks[f"{mark}/{_AGAIN}/{on.isoformat()}"] = Reminded(first)
    return replace(account, told=replace(account.told, marks=marks))


def _put_off(account: Account) -> dict[str, Reminded]:
    """The marks that say when the goal of now is looked at again."""
    if account.standing.goal is None:
        return {}
    head = f"{_reward_mark(account.standing.goal)}/{_AGAIN}/"
    return {key: mark for key, mark in account.told.marks.items() if key.startswith(head)}


def untold(mark: str, today: date) -> str:
    """The mark in whose place stands that nobody could be told, on ``today``; a void must not take it for a notice."""
    if not mark.startswith(f"{NoticeKind.DORMANT}/"):
        return mark
    return f"{absence_of(mark)}/{_UNREACHED}/{today.isoformat()}"


def absence_of(mark: str) -> str:
    """What stays of a mark of dormancy through one absence: ``points.dormant/<policy>@<share>/<since>``."""
    return "/".join(mark.split("/", 3)[:3])


def _tried_again(mark: str, today: date) -> bool:
    """Whether it says that nobody could be told, and the time to try again has come."""
    unreached = _unreached_on([mark])
    return unreached is not None and today >= unreached + UNREACHED_AGAIN


def _amount_mark(amount: int) -> str:
    return f"{NoticeKind.BALANCE_REACHED}/{amount}"


def _amount_of(mark: str) -> int:
    return int(mark.rpartition("/")[2])


def _reward_mark(goal: tuple[str, int]) -> str:
    return f"{NoticeKind.REWARD_AFFORDABLE}/{goal[0]}/{goal[1]}"


# Dormancy ------------------------------------------------------------------------------------------------------------


def _voiding(program: Program) -> Iterator[Program]:
    """The program with each of the policies that void points alone: none of them waits for another."""
    for policy in program.policies:
        if policy.effect is Effect.VOID:
            yield replace(program, policies=(policy,))


def _dormant(account: Account, program: Program, moment: Moment) -> Found | None:
    from jifen.domain.policies import dormancy_notice, said_by

    told = dormancy_notice(account, program, moment)
    if told is None:
        return None
    mark, facts = told
    head = f"{absence_of(mark)}/"
    known = {key: one for key, one in account.told.marks.items() if key.startswith(head)}
    unreached = _unreached_on(known)
    if unreached and moment.today < unreached + UNREACHED_AGAIN:
        return None
    waiting = max((key for key, one in known.items() if one.waiting), default="")
    before = waiting or max(known, default="")
    # What an earlier release has begun is begun anew: some channel may have named fewer points.
    begun = known[waiting] if waiting and said_by(waiting) else None
    return Found(NoticeKind.DORMANT, mark, {"since": facts.get("inactive_since"), **facts}, begun, before)


def _next_dormant_on(account: Account, program: Program) -> date | None:
    from jifen.domain.policies import next_dormancy_notice_on

    day = next_dormancy_notice_on(account, program)
    heads = tuple(_dormant_heads(account, program))
    unreached = _unreached_on(key for key in account.told.marks if key.startswith(heads))
    return day if day is None or unreached is None else max(day, unreached + UNREACHED_AGAIN)


def _unreached_on(marks: Iterable[str]) -> date | None:
    days = [key.rpartition("/")[2] for key in marks if key.split("/")[-2] == _UNREACHED]
    return date.fromisoformat(max(days)) if days else None


def _dormant_heads(account: Account, program: Program) -> Iterator[str]:
    """How the marks begin of the absence that the member is in now, for each policy that voids points."""
    for policy in program.policies:
        if policy.effect is Effect.VOID and isinstance(policy.when, Inactive):
            from jifen.domain.policies import inactive_since, mark_head

            yield mark_head(policy, inactive_since(account.standing, policy.when))
