"""The task board: how far a member has come with every task of the program, whether orders or events count."""

from __future__ import annotations

from dataclasses import replace

from jifen.domain.account import Account
from jifen.domain.check_ins import standing_asking
from jifen.domain.engage_views import TasksView, TaskView
from jifen.domain.giving import Campaigns
from jifen.domain.program import Moment
from jifen.domain.rules.conditions import Asking, refusal
from jifen.domain.rules.model import Fixed, Rule, RuleSet
from jifen.domain.standing import Progress, window, window_ends
from jifen.domain.worths import reached


def campaigns_asked(rules: RuleSet) -> list[str]:
    """The campaigns that tasks belong to."""
    return sorted({rule.campaign for rule in rules.rules if rule.goal and rule.campaign})


def view(account: Account, rules: RuleSet, campaigns: Campaigns, moment: Moment) -> TasksView:
    """Every task that is not switched off, with its progress in the window of today."""
    asking = standing_asking(account, rules, campaigns, moment)
    tasks = [_task(rule, rules, asking) for rule in rules.rules if rule.goal and rule.enabled]
    return {"member_id": account.member, "tasks": tasks}


def _task(rule: Rule, rules: RuleSet, asking: Asking) -> TaskView:
    goal, effect = rule.goal, rule.effect
    assert goal is not None, "a task has a goal"
    assert isinstance(effect, Fixed), "a task gives fixed points"
    progress = asking.standing.goals.get(rule.id, {}).get(window(goal.per, asking.day), Progress())
    resets = window_ends(goal.per, asking.day)
    # What the data of an event must be cannot be asked before there is one.
    blocked = refusal(replace(rule, when=replace(rule.when, data={})), rules, asking)
    return {
        "rule": rule.id,
        "title": rule.title or rule.id,
        "on": rule.on,
        "of": goal.of,
        "done": progress.done,
        "reach": goal.reach,
        "points": effect.points,
        "again": goal.again,
        "times": reached(goal, progress.done),
        "granted": progress.granted,
        "per": str(goal.per),
        "resets_on": None if resets is None else resets.isoformat(),
        "blocked_by": blocked or None,
    }
