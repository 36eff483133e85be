"""Tasks that orders count towards: so many orders, or so much kept, within a stretch of the calendar.

    each order's part is remembered with its award; progress is their sum; the reward follows progress, both ways

A member who reaches a goal and gives an order back has not reached it, whichever order it was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from jifen.domain.account import Change, caught_up, credit
from jifen.domain.calendar import local_day
from jifen.domain.campaigns import CampaignState
from jifen.domain.clawback import claw_back
from jifen.domain.entries import Draft, Kind, Reason, Source
from jifen.domain.lots import LotChange
from jifen.domain.orders import Award, Order
from jifen.domain.program import ClawbackPolicy, Moment
from jifen.domain.rules import caps
from jifen.domain.rules.amounts import chosen, kept
from jifen.domain.rules.engine import amount_holds, cap_said
from jifen.domain.rules.model import Fixed, Goal, Rule, RuleSet
from jifen.domain.standing import Progress, Standing, lately, oldest_kept, window, window_for

RETURNS_WITHIN = timedelta(days=35)
"""An order given back within so many days after the stretch it counted in still undoes a task."""


@dataclass(frozen=True, slots=True)
class Counting:
    """An order that counts: its award says under which rules and what it counted before."""

    order: Order
    held: Award
    clawback: ClawbackPolicy
    draft: Callable[[Kind, Reason], Draft]
    moment: Moment


@dataclass(frozen=True, slots=True)
class Counted:
    """What came of it: ``counted`` is the order's part of each task, as (window, amount)."""

    counted: Mapping[str, tuple[str, int]]
    change: Change
    campaigns: Mapping[str, CampaignState]


def count(asked: Counting, change: Change, campaigns: Mapping[str, CampaignState]) -> Counted:
    """Bring every task to what this order now counts towards it."""
    counted: dict[str, tuple[str, int]] = {}
    for rule in asked.held.rules.order_tasks:
        if rule.id in asked.held.pinned.refused:
            continue
        window, before = asked.held.pinned.tasks.get(rule.id, (_window(asked, rule), 0))
        amount = _amount(asked, rule)
        if amount:
            counted[rule.id] = (window, amount)
        if amount != before:
            change, campaigns = _moved(asked, rule, window, amount - before, change, campaigns)
    return Counted(counted, change, campaigns)


def _window(asked: Counting, rule: Rule) -> str:
    assert rule.goal is not None, "a task has a goal"
    day = local_day(asked.held.paid_at, asked.held.rules.zone)
    return window_for(rule.goal.per, day, asked.moment.today)


def _amount(asked: Counting, rule: Rule) -> int:
    """What the order counts: 1 where anything of the lines in question is kept, or their amount in minor units."""
    rules, goal = asked.held.rules, rule.goal
    assert goal is not None, "a task has a goal"
    if not asked.held.pinned.kept_minor:
        return 0
    left = kept(asked.order, rules.basis)
    bounds = rule.when.amount_minor
    if bounds is not None and not amount_holds(bounds, left):
        return 0
    amount = int(left.of(chosen(left.lines, rule.when, rules.not_category, rules.not_product)))
    return amount if goal.of == "amount" else int(amount > 0)


def _oldest(goal: Goal, moment: Moment) -> str:
    """The oldest window whose progress is kept: long enough that what its orders gave can be taken back."""
    return oldest_kept(goal.per, moment.today - RETURNS_WITHIN)


def earned_by(goal: Goal, fixed: int, done: int) -> int:
    """The points that ``done`` is worth."""
    times = done // goal.reach
    return fixed * (times if goal.again else min(1, times))


def _moved(
    asked: Counting, rule: Rule, name: str, by: int, change: Change, campaigns: Mapping[str, CampaignState]
) -> tuple[Change, Mapping[str, CampaignState]]:
    goal, effect = rule.goal, rule.effect
    assert goal is not None, "a task has a goal"
    assert isinstance(effect, Fixed), "a task gives fixed points"
    standing = change.account.standing
    if name < _oldest(goal, asked.moment):
        return change, campaigns
    known = standing.goals.get(rule.id, {}).get(name, Progress())
    done = max(0, known.done + by)
    wanted = earned_by(goal, effect.points, done)
    # What a cap once took away stays away, and what policy clamp left with the member is not given twice.
    settled = max(known.granted, earned_by(goal, effect.points, known.done))
    on = known.on or asked.moment.today
    if wanted > settled:
        change, campaigns, given = _reached(asked, rule, name, wanted - settled, change, campaigns)
        granted, on = known.granted + given, asked.moment.today if given else on
    elif wanted < known.granted:
        change, campaigns, granted = _undone(asked, rule, name, known.granted - wanted, on, change, campaigns)
        granted += wanted
    else:
        granted = known.granted
    progress = Progress(done, granted, on if granted else None)
    return change.remember(with_progress(change.account.standing, rule.id, name, progress, asked)), campaigns


def with_progress(standing: Standing, rule_id: str, window: str, progress: Progress, asked: Counting) -> Standing:
    """The standing with one task's progress in one window; windows that are not kept any more are dropped."""
    rule = asked.held.rules.rule(rule_id)
    assert rule is not None, "tasks are rules"
    assert rule.goal is not None, "a task has a goal"
    oldest = _oldest(rule.goal, asked.moment)
    windows = {name: one for name, one in standing.goals.get(rule_id, {}).items() if name >= oldest}
    windows[window] = progress
    left = {name: one for name, one in windows.items() if one != Progress()}
    return lately(replace(standing, goals={**standing.goals, rule_id: left}), asked.moment.today)


def _reached(
    asked: Counting, rule: Rule, window: str, points: int, change: Change, campaigns: Mapping[str, CampaignState]
) -> tuple[Change, Mapping[str, CampaignState], int]:
    """Give what a task is worth, within its caps; the points that were given."""
    rules, moment = asked.held.rules, asked.moment
    change = caught_up(change, moment)
    limits = caps.limits_of(rules, [rule.id])
    rooms = {limit.key: caps.opened(change.account.standing, limit, moment.today, moment.today) for limit in limits}
    allowed, cuts = caps.applied(limits, rooms, {rule.id: points})
    given = min(allowed[rule.id], _budget(rules, rule, campaigns, points))
    if not given:
        return change, campaigns, 0
    why: list[Mapping[str, Any]] = [{"task": rule.id, "window": window, "points": given}]
    why += [cap_said(cut, rules) for cut in cuts]
    lots = (LotChange(given, *_dates(rule, rules, moment.today)),)
    draft = replace(_draft(asked, rule, window, Kind.BONUS, Reason.TASK_REACHED), lots=lots, why=tuple(why))
    change = credit(change, draft, moment)
    return _counted(asked, rule, given, change, campaigns, rooms, limits) + (given,)  # noqa: RUF005 - a pair and one more


def _dates(rule: Rule, rules: RuleSet, day: date) -> tuple[date | None, date | None]:
    active_from = day + timedelta(days=rule.pending_days) if rule.pending_days else None
    return (rule.valid or rules.expiry).last_valid_day(day), active_from


def _undone(
    asked: Counting,
    rule: Rule,
    name: str,
    points: int,
    on: date,
    change: Change,
    campaigns: Mapping[str, CampaignState],
) -> tuple[Change, Mapping[str, CampaignState], int]:
    """Take back what a task gave that is not reached any more; the points that policy ``clamp`` left with the member.

    Those stay granted, or the task could be reached for them again and again. Lot and caps are those of the day ``on``
    which it gave.
    """
    rules = asked.held.rules
    moment = asked.moment
    change = caught_up(change, moment)
    why = ({"task": rule.id, "window": name, "taken_back": points, "policy": str(asked.clawback)},)
    draft = replace(_draft(asked, rule, name, Kind.CLAWBACK, Reason.TASK_UNDONE), why=why)
    own = {_dates(rule, rules, on): points}
    change, forgiven = claw_back(change, points, own, asked.clawback, draft, moment)
    limits = caps.limits_of(rules, [rule.id])
    rooms = {limit.key: caps.Room(window(limit.per, on), 0) for limit in limits}
    return _counted(asked, rule, forgiven - points, change, campaigns, rooms, limits) + (forgiven,)  # noqa: RUF005 - as above


def _counted(
    asked: Counting,
    rule: Rule,
    points: int,
    change: Change,
    campaigns: Mapping[str, CampaignState],
    rooms: caps.Rooms,
    limits: list[caps.Limit],
) -> tuple[Change, Mapping[str, CampaignState]]:
    """Account and campaigns once a task has given (or taken back) points."""
    before, after = ({}, {rule.id: points}) if points >= 0 else ({rule.id: -points}, {})
    standing = caps.settled(change.account.standing, limits, rooms, before, after, asked.moment.today)
    if rule.campaign in campaigns and points:
        state = campaigns[rule.campaign].counted(points, 1 if points > 0 else -1, 0)
        campaigns = {**campaigns, rule.campaign: state}
    return (change if standing == change.account.standing else change.remember(standing)), campaigns


def _budget(rules: RuleSet, rule: Rule, campaigns: Mapping[str, CampaignState], points: int) -> int:
    campaign = rules.campaign(rule.campaign) if rule.campaign else None
    left = campaigns[rule.campaign].left(campaign) if campaign else None
    return points if left is None else min(points, left)


def _draft(asked: Counting, rule: Rule, window: str, kind: Kind, reason: Reason) -> Draft:
    return replace(asked.draft(kind, reason), source=Source("task", f"{rule.id}:{window}"))
