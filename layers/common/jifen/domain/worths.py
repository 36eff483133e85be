"""Worths: what one rule makes of one behaviour event, before stacking and limits.

    rate    so many points for so much of a field; ``daily`` adds a local day's events up before it rounds
    fixed   so many points, or with a goal: once the goal is reached
    ladder  the points of the highest step that a field reaches
    given   the points that the shop names, within bounds
    streak  the reward of this day of a run

A day's total and a task's progress stand in the standing's ``goals`` under the rule's id, in the window they count in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from jifen.domain import streaks
from jifen.domain.errors import Fault, InvalidInput
from jifen.domain.events import BehaviourEvent
from jifen.domain.points import POINTS_MAX, rounded
from jifen.domain.rules.model import Fixed, Given, Goal, Ladder, Multiplier, Per, Rate, Rule, Streak
from jifen.domain.standing import Progress, Standing, window_for
from jifen.domain.streaks import Joined

COUNTED_MAX = 10**15
"""The most that a day's total or a task's progress counts to."""


@dataclass(frozen=True, slots=True)
class Worth:
    """What a rule makes of an event.

    Attributes:
        points: what it is worth; 0 for a ``reason``.
        reason: why it is worth nothing.
        said: what the answer says of it besides.
        window, progress: what is remembered of it from now on, in the window of this name; None for nothing.
    """

    points: int = 0
    reason: str = ""
    said: Mapping[str, Any] = field(default_factory=dict)
    window: str = ""
    progress: Progress | None = None


@dataclass(frozen=True, slots=True)
class Scene:
    """What the worth of an event depends on besides the rule.

    Attributes:
        event: the event; ``day`` is the local day it counts on, ``today`` that of now.
        standing: what is remembered of who gets the points, before it.
        joined: the day among the days of its run; None when it was there before, or when it is too late to count.
    """

    event: BehaviourEvent
    day: date
    today: date
    standing: Standing
    joined: Joined | None = None


def worth(rule: Rule, scene: Scene) -> Worth:
    """What ``rule`` makes of the event, if it applies at all.

    Raises:
        InvalidInput: the shop is to name the points, and names none within the rule's bounds.
    """
    found = _task(rule, rule.goal, scene) if rule.goal else _effect(rule, scene)
    if found.points > POINTS_MAX:
        return Worth(POINTS_MAX, "", found.said, found.window, found.progress)
    if found.points <= 0 and not found.reason:
        return Worth(0, "WORTH_NOTHING", found.said, found.window, found.progress)
    return found


def _effect(rule: Rule, scene: Scene) -> Worth:
    match rule.effect:
        case Fixed(points):
            return Worth(points, said={"fixed": points})
        case Rate():
            return _rate(rule, rule.effect, scene)
        case Ladder():
            return _ladder(rule.effect, scene)
        case Given():
            return _given(rule.effect, scene)
        case Streak():
            return _streak(rule.effect, scene)
        case Multiplier():
            return Worth(reason="ORDERS_ONLY")


def whole(value: object) -> int | None:
    """A whole number of an event's data; None for anything else. Below 0 it counts as 0."""
    return max(0, value) if isinstance(value, int) and not isinstance(value, bool) else None


def _rate(rule: Rule, rate: Rate, scene: Scene) -> Worth:
    amount = whole(scene.event.data.get(rate.field))
    if amount is None:
        return Worth(reason="NO_DATA", said={"field": rate.field})
    said = {
        "rate": f"{rate.points} per {rate.per}",
        "rounding": str(rule.rounding),
        "field": rate.field,
        "amount": amount,
    }
    if not rate.daily:
        return Worth(rounded(rate.points * amount, rate.per, rule.rounding), said=said)
    name = window_for(Per.DAY, scene.day, scene.today)
    before = _progress(rule, scene.standing, name)
    done = min(before.done + amount, COUNTED_MAX)
    first, last = (rounded(rate.points * total, rate.per, rule.rounding) for total in (before.done, done))
    return Worth(last - first, "", {**said, "total": done}, name, Progress(done, before.granted))


def _ladder(ladder: Ladder, scene: Scene) -> Worth:
    value = whole(scene.event.data.get(ladder.field))
    if value is None:
        return Worth(reason="NO_DATA", said={"field": ladder.field})
    reached = [step for step in ladder.steps if value >= step[0]]
    if not reached:
        return Worth(
            reason="BELOW_FIRST_STEP", said={"field": ladder.field, "amount": value, "first_step": ladder.steps[0][0]}
        )
    return Worth(reached[-1][1], said={"field": ladder.field, "amount": value, "step": reached[-1][0]})


def _given(given: Given, scene: Scene) -> Worth:
    value = scene.event.data.get(given.field)
    if not isinstance(value, int) or isinstance(value, bool) or not given.low <= value <= given.high:
        problem = f"is not a whole number from {given.low} to {given.high}"
        raise InvalidInput([Fault(f"data.{given.field}", problem)])
    return Worth(value, said={"given": value})


def _streak(streak: Streak, scene: Scene) -> Worth:
    if streaks.too_late(scene.day, scene.today):
        return Worth(reason="TOO_LATE")
    if scene.joined is None:
        return Worth(reason="COUNTED_BEFORE")
    reward = streaks.reward(streak, scene.joined)
    marks = {"marks": list(reward.marks)} if reward.marks else {}
    return Worth(reward.points, said={"day": scene.joined.place, "run": scene.joined.days, **marks})


def _task(rule: Rule, goal: Goal, scene: Scene) -> Worth:
    """The fixed points of a task, as often as this event has reached it."""
    assert isinstance(rule.effect, Fixed), "a task gives fixed points"
    amount = 1 if goal.of == "count" else whole(scene.event.data.get(goal.field))
    if amount is None:
        return Worth(reason="NO_DATA", said={"field": goal.field})
    name = window_for(goal.per, scene.day, scene.today)
    before = _progress(rule, scene.standing, name)
    done = min(before.done + amount, COUNTED_MAX)
    paid = bool(before.granted) and not goal.again  # under a lower ``reach``, perhaps
    times = 0 if paid else reached(goal, done) - reached(goal, before.done)
    reason = (
        ""
        if times
        else "GOAL_REACHED_BEFORE"
        if paid or (reached(goal, done) and not goal.again)
        else "GOAL_NOT_REACHED"
    )
    said = {"done": done, "reach": goal.reach}
    return Worth(rule.effect.points * times, reason, said, name, Progress(done, before.granted))


def reached(goal: Goal, done: int) -> int:
    """How often a task has been reached once so much of it is done."""
    times = done // goal.reach
    return times if goal.again else min(times, 1)


def _progress(rule: Rule, standing: Standing, name: str) -> Progress:
    return standing.goals.get(rule.id, {}).get(name, Progress())
